"""Check the settings and the servers and processes that they name: `gristmill doctor`."""

import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from gristmill.explain import describe

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.settings import Settings

_SECONDS: Final = 5  # for each check
_AGAIN_SECONDS: Final = 0.5  # until a failed check is repeated
_SMTP_PORT: Final = 25
_SMTPS_PORT: Final = 465


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    cure: str
    run: Callable[["Settings"], str]  # returns what it found, raises what is wrong


class _WrongError(Exception):
    """A check found something wrong; the message says what."""


@click.command()
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Repeat failed checks for so long, in all: for a platform that is starting.",
)
def doctor(wait: float) -> int:
    """Check the settings, Postgres, its schema, the broker, the processes, Redis and SMTP; say how to mend failures.

    Exits with 0 if everything is well, else with 1.

    \b
    Examples:
      gristmill doctor
      gristmill doctor --wait 60
      GRISTMILL_BROKER_URL=amqp://me:secret@mq:5672/mill gristmill doctor
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.commands.settings import command_settings
    from gristmill.shared.errors import SettingsError

    try:
        settings = command_settings()
    except SettingsError as error:
        _show("settings", "FAILED", error.message)
        return 1
    _show("settings", "ok", f"log level {settings.log_level}, public URL {settings.public_url}")
    ends_at = time.monotonic() + wait
    results = [_run(check, settings, ends_at) for check in _CHECKS]
    return 0 if all(results) else 1


def _run(check: _Check, settings: "Settings", ends_at: float) -> bool:
    """Run a check and print its result; repeat it while it fails, until the clock says `ends_at`."""
    while True:
        try:
            found = check.run(settings)
        except ModuleNotFoundError:  # no check failed: the command itself lacks an extra
            raise
        except Exception as error:  # noqa: BLE001  one failing check never stops the others
            if time.monotonic() + _AGAIN_SECONDS < ends_at:
                time.sleep(_AGAIN_SECONDS)
                continue
            _show(check.name, "FAILED", f"{_first_line(error)}\n{check.cure}")
            return False
        _show(check.name, "ok", found)
        return True


def _first_line(error: Exception) -> str:
    from gristmill.shared.base.redaction import hide_secrets

    text = str(error) if isinstance(error, _WrongError) else describe(error) or f"{type(error).__name__}: {error}"
    return hide_secrets(text.strip().splitlines()[0])


def _show(name: str, state: str, text: str) -> None:
    first, *others = text.splitlines()
    click.echo(f"{name:<12}{click.style(f'{state:<8}', fg='green' if state == 'ok' else 'red')}{first}")
    for line in others:
        click.echo(f"{'':<20}{line}")


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


@contextmanager
def _transaction(settings: "Settings") -> "Iterator[Session]":
    from gristmill.shared.database.connect import opened

    with opened(settings, application_name="gristmill doctor") as database, database.transaction() as session:
        yield session


def _check_postgres(settings: "Settings") -> str:
    from gristmill.shared.database.server import read_server_version

    with _transaction(settings) as session:
        version = read_server_version(session)
    return f"{version} at {_address(settings.database_url.reveal())}"


def _check_schema(settings: "Settings") -> str:
    from gristmill import migrations

    with _transaction(settings) as session:
        lag, found = migrations.lag(session), migrations.describe(session)
    if lag is not None:
        raise _WrongError(f"the database is behind: {lag}")
    return found


def _check_processes(settings: "Settings") -> str:
    from gristmill.shared.operating.queries_process_reports import list_processes
    from gristmill.shared.queues import QUEUES

    with _transaction(settings) as session:
        alive = [each for each in list_processes(session) if each.alive]
    found = [each.queue or each.kind for each in alive]
    missing = [name for name in ("relay", "beat", "maintenance", *QUEUES) if name not in found]
    if missing:
        raise _WrongError(f"no report in the last seconds from {', '.join(missing)}")
    cut_off = sorted(f"{each.name} ({each.trouble})" for each in alive if each.trouble is not None)
    if cut_off:
        raise _WrongError(f"cut off from the broker: {', '.join(cut_off)}")
    return ", ".join(f"{found.count(name)} {name}" for name in dict.fromkeys(sorted(found)))


def _check_broker(settings: "Settings") -> str:
    from kombu import Connection

    from gristmill.shared.settings import broker_kind

    with Connection(settings.broker_url.reveal(), connect_timeout=_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, timeout=_SECONDS)
        found = connection.info()
    return f"{broker_kind(settings)} at {found['hostname']}:{found['port']}"


def _check_plugins(settings: "Settings") -> str:
    from gristmill.shared.operating.queries_known_tasks import list_known_tasks
    from gristmill.shared.operating.queries_undeclared_queues import list_undeclared_queues
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.shared.task import registry

    plugins = load_plugins()
    with _transaction(settings) as session:
        undeclared, known = list_undeclared_queues(session), list_known_tasks(session)
    if undeclared:
        raise _WrongError(f"jobs wait in {', '.join(undeclared)}, which no plugin declares")
    new = [task.name for task in registry if task.name not in known.get(task.queue_name, {task.name})]
    if new:
        raise _WrongError(f"no worker of the last minute knows {', '.join(new[:5])}")
    return ", ".join(plugins.names)


def _check_redis(settings: "Settings") -> str:
    import redis

    url = settings.redis_url.reveal()
    with redis.Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS) as client:
        version = client.info("server")["redis_version"]
    return f"{version} at {_address(url)}"


def _check_smtp(settings: "Settings") -> str:
    url = settings.smtp_url.reveal()
    parts = urlsplit(url)
    smtps = parts.scheme == "smtps"
    kind = smtplib.SMTP_SSL if smtps else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or (_SMTPS_PORT if smtps else _SMTP_PORT), timeout=_SECONDS) as server:
        code, _ = server.noop()
    return f"answers {code} at {_address(url)}"


_CHECKS: Final = (
    _Check(
        "postgres",
        "Check GRISTMILL_DATABASE_URL, that the server runs, and that it accepts connections from this host.",
        _check_postgres,
    ),
    _Check("schema", "Run `gristmill db upgrade`.", _check_schema),
    _Check(
        "broker",
        "Check GRISTMILL_BROKER_URL. Jobs are accepted meanwhile, and run when the broker is back.",
        _check_broker,
    ),
    _Check(
        "processes",
        "Start what is missing: `gristmill relay`, `gristmill beat`, `gristmill maintenance`, "
        "`gristmill worker --queue …`; or all of it with `gristmill up`.",
        _check_processes,
    ),
    _Check(
        "plugins",
        "Deploy the code that declares the tasks and queues to all processes, or declare the queue again "
        "(`gristmill queues list` shows its jobs), or cancel what waits in it.",
        _check_plugins,
    ),
    _Check("redis", "Check GRISTMILL_REDIS_URL. Without it there are no rate limits and no cache.", _check_redis),
    _Check("smtp", "Check GRISTMILL_SMTP_URL. Mail waits meanwhile, with retries.", _check_smtp),
)
