"""The plugin of the tests' shop: everything that a team may bring."""

from gristmill import Plugin, Queue, Schedule

plugin = Plugin(
    name="shop",
    tasks=["shop.jobs"],
    queues=[Queue("report_queue", "report.*", concurrency=2, purpose="reports")],
    schedules=[Schedule("pulse", every=1, task="report.build", args={"number": 7})],
    templates="shop",
    channels=["shop.channels:Sms"],
    routes=["shop.routes:blueprint"],
    requires=["mail", "notifications"],
)
