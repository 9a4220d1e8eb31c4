"""The plugin: everything that the hotel brings to Gristmill. Its tables are those of Django's own migrations."""

from gristmill import Plugin, Queue, Schedule

plugin = Plugin(
    name="hotel",
    tasks=["bookings.jobs"],
    queues=[Queue("bookings_queue", "booking.*", concurrency=2)],
    schedules=[Schedule("forget-bookings", cron="0 4 * * *", timezone="Europe/Berlin", task="booking.forget")],
    templates="hotel",
    requires=["mail"],
)
