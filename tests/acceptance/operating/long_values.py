"""Rows with the longest values that real platforms have, for every table."""

from dataclasses import replace

from gristmill.shared.jobs import moves
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.states import DeadReason
from tests.acceptance.operating.conftest import Web
from tests.factories import FAILURE, begin, declared, post

TASK = "warehouse.recount_every_shelf_of_all_halls_after_the_yearly_inventory"
MESSAGE = (
    "Traceback of the other side: «Die Verbindung wurde vom Gegenüber zurückgesetzt», 接続がリセットされました\n"
    "while it was reading \x1b[31mhttps://warehouse.example.com/api/v2/halls/7/shelves?page=12&size=1000\x1b[0m\ttwice"
)
SCHEDULE = "recount-every-shelf-of-all-halls-after-the-yearly-inventory-which-is-on-the-last-day-of-december.1"
PRODUCER = "the warehouse application of the western region, second installation, staging"
REASON = "the warehouse moves to another hall, and nobody knows until when the scanners there will be mounted"


def _echo(_ctx: object, *, message: str) -> str:
    return message


def fill(web: Web) -> dict[str, str]:
    """Make the rows; return the ids and names that commands are called with."""
    database = web.database
    failure = replace(FAILURE, message=MESSAGE, code="WAREHOUSE_CONNECTION_RESET_001", fingerprint="f" * 16)
    tags = tuple(f"tag-{number}-of-a-campaign-with-a-long-name" for number in range(5))
    with declared(_echo, name=TASK) as task:
        jobs = [post(database, task, JobOptions(tags=tags, max_attempts=100), message=MESSAGE) for _ in range(4)]
        later = post(database, task, JobOptions(tags=tags, priority="high"), message=MESSAGE)
        for job in begin(database, *jobs):
            with database.transaction() as session:
                assert moves.kill(session, job.id, job.attempt, reason=DeadReason.DELIVERY_LIMIT, failure=failure)
    server = web.server
    server.says("dead-letters", "discard", str(jobs[0]), "--reason", MESSAGE)
    server.says("queues", "pause", "data_processing_queue", "--reason", REASON)
    server.says("schedules", "create", SCHEDULE, "demo.echo", "message=m", "--cron", "0,15,30,45 6-22 * * mon-fri",
                "--timezone", "America/Argentina/ComodRivadavia")  # fmt: skip
    server.says("schedules", "run", SCHEDULE)
    scopes = ["jobs:read", "jobs:write", "dead_letters:write", "queues:read", "schedules:write"]
    options = [part for scope in scopes for part in ("--scope", scope)]
    for task_name in ("email.send", "processing.aggregate_hour", "notification.in_app"):
        options += ["--task", task_name]
    key = server.says(
        "keys", "create", PRODUCER, *options, "--quota", "10000000", "--rate", "99999.5", "--days", "3650"
    )
    for place in (web.server, web.laptop):
        place.says("profile", "add", "production-of-the-western-region", "--no-check", "--guarded", "--no-key", "--url",
                   "https://gristmill.warehouse.western-region.example.com/behind/a/path/of/the/proxy")  # fmt: skip
    return {
        "JOB": str(later),
        "DEAD": str(jobs[1]),
        "SCHEDULE": SCHEDULE,
        "PRODUCER": PRODUCER,
        "KEY": key.split("_")[1],
    }
