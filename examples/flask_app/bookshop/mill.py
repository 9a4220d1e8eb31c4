"""The plugin: everything that the shop brings to Gristmill."""

from gristmill import Plugin, Queue, Schedule

plugin = Plugin(
    name="bookshop",
    tasks=["bookshop.jobs"],
    queues=[Queue("orders_queue", "order.*", concurrency=2)],
    schedules=[
        Schedule(
            "report-orders",
            cron="0 7 * * *",
            timezone="Europe/Berlin",
            task="order.report",
            args={"to": "owner@example.com"},
        ),
    ],
    templates="bookshop",
    metadata="bookshop.models:metadata",
    migrations="bookshop:migrations",
    requires=["mail"],
)
