"""Declare every setting of the platform, and load them from the environment and `.env`.

`.env.example` and `docs/configuration.md` are made from this declaration: `python -m gristmill.settings_reference`.
"""

# ruff: noqa: RUF009  the calls return fields of the dataclass, not values that its instances would share
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gristmill.shared.base import settings_loader
from gristmill.shared.base.secret import Secret
from gristmill.shared.base.settings_declaration import (
    choice,
    declared,
    flag,
    integer,
    names,
    optional_secret,
    origins,
    required_secret,
    seconds,
    string,
)

__all__ = ["DECLARED", "SECRETS", "Broker", "Secret", "Settings", "broker_kind", "environment", "load_settings"]

SECRET_KEY_BYTES: Final = 32  # as many as the HMAC-SHA256 that the key feeds has output bytes
_POSTGRES: Final = ("postgresql", "postgresql+psycopg2", "postgres")
_PORTS: Final = (1, 65_535)
_A_DAY: Final = 86_400  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Times are seconds, sizes are counts unless the name says otherwise."""

    database_url: Secret = required_secret(
        *_POSTGRES,
        group="Connections",
        text="URL of the Postgres database.",
        example="postgresql://user:password@host:5432/gristmill",
    )
    database_direct_url: Secret | None = optional_secret(
        *_POSTGRES,
        text="URL of the database itself, for LISTEN and migrations. Set it only where GRISTMILL_DATABASE_URL is that "
        "of a pooler in transaction mode (PgBouncer).",
    )
    broker_url: Secret = required_secret(
        "amqp",
        "amqps",
        "redis",
        "rediss",
        text="URL of the broker: RabbitMQ (amqp://), Redis or Valkey (redis://).",
        example="amqp://user:password@host:5672/gristmill",
    )
    redis_url: Secret = required_secret(
        "redis", "rediss", text="URL of the Redis or Valkey that counts rates.", example="redis://:password@host:6379/0"
    )
    smtp_url: Secret = required_secret(
        "smtp",
        "smtps",
        "smtp+starttls",
        text="URL of the mail server: smtp://, smtps:// or smtp+starttls://.",
        example="smtp+starttls://user:password@host:587",
    )
    secret_key: Secret = required_secret(
        shortest=SECRET_KEY_BYTES,
        text="At least 32 characters, the same for all processes: the output of `openssl rand -hex 32`.",
        example="<the output of `openssl rand -hex 32`>",
    )

    host: str = string("127.0.0.1", group="Ingress", text="Address on which the ingress listens; loopback by default.")
    port: int = integer(8000, between=_PORTS, text="Port on which the ingress listens.")
    public_url: str = string(
        "http://127.0.0.1:8000", schemes=("http", "https"), text="URL with which the links in mails begin."
    )
    web_workers: int = integer(1, between=(1, 64), text="Processes of the ingress.")
    web_threads: int = integer(32, between=(1, 256), text="Threads of each process of the ingress.")
    web_waiters: int = integer(
        16,
        between=(0, 255),
        text="Requests of each process that may wait for the end of a job at the same time. Set fewer than it has "
        "threads.",
    )
    web_streams: int = integer(
        8, between=(0, 255), text="Event streams of each process that may be open at the same time."
    )
    web_stream_seconds: int = integer(
        900, between=(1, _A_DAY), text="Seconds after which an event stream ends; clients connect again by themselves."
    )
    web_body_seconds: int = integer(
        60,
        between=(1, 3_600),
        text="Seconds that the body of a request may take. Set more than the 20 s for which a request may wait for a "
        "job.",
    )
    trusted_proxies: int = integer(
        0,
        between=(0, 10),
        text="Proxies before the ingress whose X-Forwarded-For is trusted, the nearest last. With 0 the client's "
        "address is that of the connection.",
    )
    wrong_keys: int = integer(
        30, between=(1, 1_000_000), text="Wrong keys that one address may send in a minute before it is answered 429."
    )
    logins: int = integer(
        10, between=(1, 1_000_000), text="Sign-ins that one address may try in a minute before it is answered 429."
    )
    registrations: int = integer(
        5, between=(1, 1_000_000), text="Registrations that one address may try in a minute before it is answered 429."
    )
    access_token_seconds: int = integer(
        3_600, between=(1, _A_DAY), text="Seconds for which a user's access token is valid."
    )
    refresh_token_days: int = integer(
        30, between=(1, 3_650), text="Days for which the refresh token that replaces it is valid."
    )
    cors_origins: tuple[str, ...] = origins(
        text="Origins whose pages may call the API from a browser, separated by commas: https://console.example.com."
    )

    database_pool_size: int = integer(5, between=(1, 200), group="Postgres", text="Connections of each process.")
    statement_timeout: float = seconds(
        30.0, between=(0.1, 3600), text="Seconds after which Postgres cancels a statement."
    )
    lock_timeout: float = seconds(5.0, between=(0.1, 3600), text="Seconds for which a statement waits for a lock.")

    lease: float = seconds(
        9.0,
        between=(1, 3600),
        group="Jobs",
        text="Seconds for which a task with outside effects keeps its job without a heartbeat.",
    )
    cancel_grace: float = seconds(
        10.0, between=(0.1, 3600), text="Seconds for which a cancelled job may run on before its process is ended."
    )
    look_interval: float = seconds(
        5.0, between=(0.1, 3600), text="Seconds between two searches for hints that the broker has lost."
    )
    relay_batch: int = integer(500, between=(1, 10_000), text="Hints that the relay publishes in one transaction.")
    relay_poll: float = seconds(
        0.5, between=(0.01, 60), text="Seconds after which the relay reads the outbox when no NOTIFY arrives."
    )
    publish_timeout: float = seconds(
        10.0, between=(0.1, 300), text="Seconds within which the broker must confirm a batch of hints."
    )
    beat_poll: float = seconds(1.0, between=(0.01, 60), text="Seconds after which beat reads the schedules again.")
    maintenance_poll: float = seconds(
        1.0, between=(0.01, 60), text="Seconds after which maintenance searches for lost work again."
    )
    plugins: tuple[str, ...] = names(
        text="Plugins to load, separated by commas: mail,accounts,shop. Without it all that are installed are loaded, "
        "and the one of the project in the working folder."
    )
    demo_tasks: bool = flag(text="Offer the demo.* tasks: echo, fail, sleep, crash. `gristmill up` sets this.")

    mail_from: str = string(
        "Gristmill <no-reply@localhost.localdomain>", group="Mail and webhooks", text="Sender of all mails."
    )
    allow_private_webhooks: bool = flag(
        text="Let webhooks and callbacks go to private addresses; only for development. `gristmill up` sets this."
    )
    allow_http_callbacks: bool = flag(
        text="Accept callback URLs that begin with http://, too: signed, but readable on the way. `gristmill up` sets "
        "this."
    )

    log_level: str = choice(
        "INFO",
        among=("DEBUG", "INFO", "WARNING", "ERROR"),
        group="Logs and monitoring",
        text="Least severe level that is logged.",
    )
    log_format: str = choice("json", among=("json", "console"), text="JSON lines, or lines to read in a console.")
    sentry_dsn: Secret | None = optional_secret(text="DSN of Sentry; without it nothing is reported.")
    worker_events: bool = flag(
        text="Send events of each task for Flower: 4 to 5 messages a job, so leave it off under load. `gristmill up` "
        "sets this."
    )
    flower_port: int = integer(5555, between=_PORTS, text="Port on which Flower listens.")
    flower_user: str = string("gristmill", text="User of Flower.")
    flower_password: Secret | None = optional_secret(text="Password of Flower.")

    @property
    def direct_url(self) -> Secret:
        """The database itself, past a pooler that gives each transaction another session: for LISTEN and migrations."""
        return self.database_direct_url or self.database_url


DECLARED: Final = declared(Settings)
SECRETS: Final = frozenset(setting.attribute for setting in DECLARED if setting.secret)


def load_settings(dotenv: Path | None = Path(".env")) -> Settings:
    """Read the settings from the environment, and what it lacks from `dotenv`.

    Args:
        dotenv: a file of `NAME=value` lines; a missing file is not an error. None reads the environment only.

    Raises:
        SettingsError: with every setting that is missing or wrong, and what to do about each.
    """
    return Settings(**settings_loader.load(DECLARED, dotenv))


def environment(settings: Settings) -> dict[str, str]:
    """Return `settings` as environment variables for a child process. Holds secrets: pass it on, never print it."""
    return settings_loader.as_environment(DECLARED, settings)


Broker = Literal["rabbitmq", "redis"]


def broker_kind(settings: Settings) -> Broker:
    """Say which kind of broker `settings` name: `rabbitmq`, or `redis` (Valkey too)."""
    return "rabbitmq" if settings.broker_url.reveal().startswith("amqp") else "redis"
