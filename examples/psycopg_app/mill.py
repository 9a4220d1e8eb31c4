"""The plugin: everything that the bank brings to Gristmill. Its tables are those of models/schema.sql."""

from gristmill import Plugin, Queue, Schedule

plugin = Plugin(
    name="bank",
    tasks=["tasks"],  # the package in this folder; the platform's own is gristmill.tasks
    queues=[Queue("bank_queue", "bank.*", concurrency=2)],
    schedules=[Schedule("end-of-day", cron="0 0 * * *", timezone="Europe/Berlin", task="balance.note")],
)
