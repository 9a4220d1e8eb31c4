"""`gristmill doctor`: is everything there that the settings point at, and if not, what to do."""

import smtplib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click

from gristmill.explain import describe

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

_SECONDS: Final = 5  # for each check
_AGAIN_SECONDS: Final = 0.5  # until what was found wrong is looked at once more
_SMTP_PORT: Final = 25
_SMTPS_PORT: Final = 465


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    cure: str
    look: Callable[["Settings"], str]  # returns what it found, raises what is wrong


class _WrongError(Exception):
    """A check found something wrong; the message says what."""


@click.command()
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long, in all, what is only just starting may take until it is well.",
)
def doctor(wait: float) -> int:
    """Check the settings, Postgres, its schema, the broker, the processes, Redis and SMTP: a line each, with the cure.

    Ends with 0 when all is well, else with 1.

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
    """Show what a check finds; look again, until the clock says `ends_at`, at what is wrong."""
    while True:
        try:
            found = check.look(settings)
        except Exception as error:  # noqa: BLE001  one failing check never stops the others
            if time.monotonic() + _AGAIN_SECONDS < ends_at:
                time.sleep(_AGAIN_SECONDS)
                continue
            _show(check.name, "FAILED", f"{_first_line(error)}\n{check.cure}")
            return False
        _show(check.name, "ok", found)
        return True


def _first_line(error: Exception) -> str:
    from gristmill.shared.base.logging import hide_secrets

    text = str(error) if isinstance(error, _WrongError) else describe(error) or f"{type(error).__name__}: {error}"
    return hide_secrets(text.strip().splitlines()[0])


def _show(name: str, state: str, text: str) -> None:
    first, *others = text.splitlines()
    click.echo(f"{name:<12}{click.style(f'{state:<8}', fg='green' if state == 'ok' else 'red')}{first}")
    for line in others:
        click.echo(f"{'':<20}{line}")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _look_at_postgres(settings: "Settings") -> str:
    from sqlalchemy import text

    from gristmill.shared.database.connect import Database

    database = Database(settings, application_name="gristmill doctor", pool_size=1)
    try:
        with database.transaction() as session:
            version = session.execute(text("SHOW server_version")).scalar_one()
    finally:
        database.dispose()
    return f"{version} at {_place(settings.database_url.reveal())}"


def _look_at_schema(settings: "Settings") -> str:
    from gristmill import migrations
    from gristmill.shared.database.connect import Database

    database = Database(settings, application_name="gristmill doctor", pool_size=1)
    try:
        with database.transaction() as session:
            found, needed = migrations.current(session), migrations.head()
    finally:
        database.dispose()
    if found != needed:
        raise _WrongError(f"the database is at {found or 'nothing'}, and this version needs {needed}")
    return f"at {needed}"


def _look_at_processes(settings: "Settings") -> str:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.operating.queries_process_reports import list_processes
    from gristmill.shared.queues import QUEUES

    database = Database(settings, application_name="gristmill doctor", pool_size=1)
    try:
        with database.transaction() as session:
            alive = [each for each in list_processes(session) if each.alive]
    finally:
        database.dispose()
    found = [each.queue or each.kind for each in alive]
    missing = [name for name in ("relay", "beat", "maintenance", *QUEUES) if name not in found]
    if missing:
        raise _WrongError(f"nothing was heard of {', '.join(missing)} in the last seconds")
    cut_off = sorted(f"{each.name} ({each.trouble})" for each in alive if each.trouble is not None)
    if cut_off:
        raise _WrongError(f"cut off from the broker: {', '.join(cut_off)}")
    return ", ".join(f"{found.count(name)} {name}" for name in dict.fromkeys(sorted(found)))


def _look_at_broker(settings: "Settings") -> str:
    from kombu import Connection

    from gristmill.shared.settings import broker_kind

    with Connection(settings.broker_url.reveal(), connect_timeout=_SECONDS) as connection:
        connection.ensure_connection(max_retries=1, timeout=_SECONDS)
        found = connection.info()
    return f"{broker_kind(settings)} at {found['hostname']}:{found['port']}"


def _look_at_redis(settings: "Settings") -> str:
    import redis

    url = settings.redis_url.reveal()
    with redis.Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS) as client:
        version = client.info("server")["redis_version"]
    return f"{version} at {_place(url)}"


def _look_at_smtp(settings: "Settings") -> str:
    url = settings.smtp_url.reveal()
    parts = urlsplit(url)
    smtps = parts.scheme == "smtps"
    kind = smtplib.SMTP_SSL if smtps else smtplib.SMTP
    with kind(parts.hostname or "", parts.port or (_SMTPS_PORT if smtps else _SMTP_PORT), timeout=_SECONDS) as server:
        code, _ = server.noop()
    return f"answers {code} at {_place(url)}"


_CHECKS: Final = (
    _Check(
        "postgres",
        "Look at GRISTMILL_DATABASE_URL, and whether the server runs and lets this host in.",
        _look_at_postgres,
    ),
    _Check("schema", "Run `gristmill db upgrade`.", _look_at_schema),
    _Check(
        "broker", "Look at GRISTMILL_BROKER_URL. Jobs are accepted meanwhile, and run when it is back.", _look_at_broker
    ),
    _Check(
        "processes",
        "Start what is missing: `gristmill relay`, `gristmill beat`, `gristmill maintenance`, "
        "`gristmill worker --queue …`; or all of it with `gristmill up`.",
        _look_at_processes,
    ),
    _Check("redis", "Look at GRISTMILL_REDIS_URL. Without it there are no rate limits and no cache.", _look_at_redis),
    _Check("smtp", "Look at GRISTMILL_SMTP_URL. Mails wait meanwhile, with retries.", _look_at_smtp),
)
