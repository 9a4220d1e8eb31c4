"""Commands say the same on a laptop, by the API, as on the server, in the database."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
import pytest

from gristmill.cli import cli
from gristmill.commands.common.api_command import ApiCommand
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import moves
from gristmill.shared.states import DeadReason
from tests.acceptance.operating.conftest import Answer, Place, Web
from tests.factories import FAILURE, begin

# Whatever differs from call to call: ids, keys, times, ages, and who did it.
CHANGING = (
    (r"whsec_\S+|gm_[\w-]+", "<secret>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
    (r"\b[0-9a-f]{12}\b", "<key>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "<time>"),
    (r"(in )?\b\d+[smhd]\b( ago)?", "<age>"),
    (r"cli:\w+|producer-[0-9a-f]+", "<somebody>"),
    (r'"accepted_a_minute": [\d.]+', '"accepted_a_minute": <rate>'),
    (r'"oldest_waiting_seconds": [\d.]+', '"oldest_waiting_seconds": <seconds>'),
    (r"accepted a minute  \S+", "accepted a minute  <rate>"),
    (r"(_queue(?: +\d+\w by \S+ \([^)]*\))?) +\d+ +(\d+ +[a-z])", r"\1 <rate> \2"),  # of a wide table
    (r"\n  request id: \S+", ""),
    (r" \(the key is that of GRISTMILL_API_KEY\)", ""),
    (r" +", " "),
)
Call = Callable[..., str]


class Transcript:
    """The commands that were called in a place, with what they answered."""

    def __init__(self, place: Place, mark: str) -> None:
        self._place = place
        self._mark = mark
        self.lines: list[str] = []

    def __call__(self, *arguments: str) -> str:
        """Call a command and return its standard output; record it without what changes."""
        answer = self._place.call(*arguments)
        self.lines.append(f"$ {self._plain(' '.join(arguments))} -> {answer.returncode}\n{self._told(answer)}")
        return answer.stdout.strip()

    def _told(self, answer: Answer) -> str:
        return self._plain(f"{answer.stdout}{answer.stderr}")

    def _plain(self, text: str) -> str:
        for pattern, instead in CHANGING:
            text = re.sub(pattern, instead, text)
        return text.replace(self._mark, "<mark>")


def operate_jobs(call: Call, mark: str, database: Database) -> None:
    post = ("jobs", "post", "demo.echo", "message=hello", "--tag", mark)
    soon, later = call(*post, "--unique-key", mark), call(*post, "--delay", "600", "--max-attempts", "7")
    pairs = ("email=a@example.com", "password=Correct-horse-7", "full_name=Ada")
    call("jobs", "post", "user.create", *pairs, "--tag", mark)
    for form in ("table", "wide", "json"):
        call("jobs", "list", "--tag", mark, "-o", form)
        call("jobs", "show", soon, "-o", form)
    call("jobs", "count", "--tag", mark)
    call("jobs", "count", "--tag", mark, "-o", "json")
    call("jobs", "list", "--tag", mark, "--limit", "1")
    call("jobs", "list", "--where", '{"field": "tags", "contains": "%s"}' % mark, "--created-before", "2100-01-01")  # noqa: UP031  braces
    call("jobs", "run", later, "--dry-run")
    call("jobs", "run", later)
    call("jobs", "cancel", soon, "--dry-run")
    call("jobs", "cancel", soon)
    call("jobs", "cancel", "--tag", mark, "--dry-run")
    call("jobs", "watch", soon)
    begin(database, UUID(later))
    call("jobs", "cancel", later)
    call("jobs", "run", later, soon)
    call("jobs", "show", later)
    call("jobs", "cancel", "--tag", mark)
    call("jobs", "cancel", "--tag", mark)


def operate_dead_letters(call: Call, mark: str, database: Database) -> None:
    jobs = [call("jobs", "post", "demo.echo", "message=m", "--tag", f"{mark}-dead") for _ in range(4)]
    for job in begin(database, *map(UUID, jobs)):
        with database.transaction() as session:
            assert moves.kill(session, job.id, job.attempt, reason=DeadReason.EXHAUSTED, failure=FAILURE)
    which = ("--where", '{"field": "tags", "contains": "%s-dead"}' % mark)  # noqa: UP031  braces
    for form in ("table", "wide", "json"):
        call("dead-letters", "list", *which, "-o", form)
        call("dead-letters", "groups", "--task", "demo.echo", "-o", form)
        call("dead-letters", "show", jobs[0], "-o", form)
        call("jobs", "show", jobs[0], "-o", form)
    call("dead-letters", "count", *which)
    call("dead-letters", "redrive", jobs[0], "--args", '{"massage": "x"}')
    call("dead-letters", "redrive", jobs[0], "--dry-run")
    call("dead-letters", "redrive", jobs[0], "--args", '{"message": "x"}')
    call("dead-letters", "redrive", jobs[0])
    call("dead-letters", "discard", jobs[1], "--reason", "no use", "--dry-run")
    call("dead-letters", "discard", jobs[1], "--reason", "no use")
    call("dead-letters", "redrive", *which, "--dry-run")
    call("dead-letters", "redrive", *which, "--rate", "0.5")
    call("dead-letters", "redrive", *which)
    call("dead-letters", "list", "--all", *which)
    call("jobs", "cancel", "--tag", f"{mark}-dead")


def operate_queues_and_tasks(call: Call, _mark: str, _database: Database) -> None:
    for form in ("table", "wide", "json"):
        call("queues", "list", "-o", form)
        call("queues", "show", "email_queue", "-o", form)
        call("tasks", "list", "-o", form)
        call("tasks", "show", "email.send", "-o", form)
    call("queues", "pause", "email_queue", "--reason", "the mail server moves")
    call("queues", "pause", "email_queue", "--reason", "another")
    call("queues", "list", "-o", "wide")
    call("queues", "resume", "email_queue")
    call("queues", "resume", "email_queue")


def operate_schedules(call: Call, mark: str, _database: Database) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    span = ("--from", (hour - timedelta(hours=4)).isoformat(), "--to", hour.isoformat())
    create = ("schedules", "create", mark, "demo.echo", "message={fire_at}", "--timezone", "Europe/Berlin")
    call(*create, "--cron", "0 * * * *")
    call(*create, "--cron", "0 * * * *", "--no-overlap", "--catch-up", "none")
    for form in ("table", "wide", "json"):
        call("schedules", "list", "-o", form)
        call("schedules", "show", mark, "-o", form)
    call("schedules", "run", mark, "--fire-at", "2026-01-01T00:00:00Z")
    call("schedules", "run", mark, "--fire-at", "2026-01-01T00:00:00Z")
    call("schedules", "pause", mark)
    call("schedules", "resume", mark)
    call("schedules", "backfill", mark, *span, "--dry-run")
    call("schedules", "backfill", mark, *span, "--limit", "2")
    call("schedules", "fires", mark)
    call("schedules", "fires", mark, "-o", "json")
    call("schedules", "delete", mark)
    call("schedules", "delete", mark)
    call("jobs", "cancel", "--task", "demo.echo")


def operate_producers(call: Call, mark: str, _database: Database) -> None:
    name = f"shop {mark}"
    key = call("keys", "create", name, "--scope", "jobs:write", "--task", "email.send", "--quota", "10", "--days", "30")
    call("keys", "create", name, "--quota", "11")
    call("keys", "create", name)
    for form in ("table", "wide", "json"):
        call("keys", "list", name, "-o", form)
        call("producers", "show", name, "-o", form)
    call("keys", "rotate", key, "--overlap", "1")
    call("keys", "revoke", key)
    call("keys", "webhook-secret", name)
    call("producers", "change", name, "--quota", "20", "--all-tasks", "--scope", "jobs:read")
    call("producers", "disable", name)
    call("producers", "show", name)
    call("producers", "enable", name)
    call("producers", "list", "--limit", "1")


def operate_wrongly(call: Call, _mark: str, _database: Database) -> None:
    nothing = "01993c1e-0000-7000-8000-000000000000"
    for command in (
        ("jobs", "show", nothing),
        ("jobs", "watch", nothing),
        ("jobs", "cancel", nothing),
        ("jobs", "list", "--queue", "email_quue"),
        ("jobs", "list", "--task", "emial.send"),
        ("jobs", "list", "--where", '{"field": "colour", "eq": 1}'),
        ("jobs", "post", "emial.send"),
        ("jobs", "post", "demo.echo"),
        ("jobs", "post", "demo.echo", "message=m", "--unique-key", ""),
        ("dead-letters", "show", nothing),
        ("dead-letters", "redrive", "--where", '{"field": "task", "eq": 1}'),
        ("queues", "pause", "email", "--reason", "x"),
        ("queues", "show", "email"),
        ("schedules", "show", "nightly"),
        ("schedules", "create", "Nightly!", "demo.echo", "message=m", "--every", "60"),
        ("schedules", "create", "nightly", "demo.echo", "message=m", "--cron", "61 * * * *"),
        ("tasks", "show", "demo.ecko"),
        ("producers", "show", "nobody"),
        ("keys", "revoke", "ffffffffffff"),
        ("keys", "webhook-secret", "nobody"),
    ):
        call(*command)


PARTS = (
    operate_jobs,
    operate_dead_letters,
    operate_queues_and_tasks,
    operate_schedules,
    operate_producers,
    operate_wrongly,
)


@pytest.mark.parametrize("operate", PARTS, ids=lambda part: part.__name__.removeprefix("operate_"))
def test_both_back_ends_say_the_same(web: Web, operate: Callable[[Call, str, Database], None]) -> None:
    transcripts = []
    for place, mark in ((web.server, "mark-one"), (web.laptop, "mark-two")):
        call = Transcript(place, mark)
        operate(call, mark, web.database)
        transcripts.append(call.lines)
    on_server, on_laptop = transcripts
    for here, there in zip(on_server, on_laptop, strict=True):
        assert there == here


def registered() -> Iterator[str]:
    """Yield the registered commands that work on both back ends, without hidden ones."""
    for name in cli.list_commands(click.Context(cli)):
        group = cli.get_command(click.Context(cli), name)
        for inner, command in getattr(group, "commands", {}).items():
            if isinstance(command, ApiCommand) and not command.hidden:
                yield f"{name} {inner}"


def test_every_command_that_works_on_both_is_called_above() -> None:
    source = Path(__file__).read_text()  # the parts may run in other processes than this test
    words = {" ".join(pair) for pair in re.findall(r'\("([a-z-]+)", "([a-z-]+)"', source)}
    assert sorted(set(registered()) - words) == []
