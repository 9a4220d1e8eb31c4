"""The plugin of a shop, as a team writes one."""

from gristmill import Plugin, Queue, Schedule

plugin = Plugin(
    name="shop",
    tasks=["shop.jobs", "shop.odd_jobs"],
    queues=[Queue("shop_queue", "shop.*")],
    schedules=[
        Schedule(
            "canteen",
            cron="30 7 * * mon-fri",
            timezone="Europe/Berlin",
            task="invoice.send",
            args={"number": "{fire_at}", "to": "canteen@example.com"},
            catch_up="last",
        )
    ],
    metadata="shop.models:metadata",
    requires=["mail"],
)
