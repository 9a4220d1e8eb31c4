"""Every setting of the platform: one frozen object, read once from the environment and `.env`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from environs import Env, EnvValidationError
from marshmallow import ValidationError as Invalid
from marshmallow.validate import Length, OneOf, Range, Validator

from gristmill.shared.errors import SettingsError

PREFIX: Final = "GRISTMILL_"
SECRET_KEY_BYTES: Final = 32  # as many as the HMAC-SHA256 that the key feeds has output bytes


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that never shows itself: not in a repr, a log line or an error."""

    _value: str

    def reveal(self) -> str:
        """Return the text itself; call it only where it is used."""
        return self._value

    def __repr__(self) -> str:
        """Show that there is a value, and nothing of it."""
        return "Secret(***)"

    __str__ = __repr__


class _Url(Validator):
    """Accepts the URL schemes that a setting can work with, and never repeats the URL (it may hold a password)."""

    def __init__(self, *schemes: str) -> None:
        self.schemes = schemes

    def __call__(self, value: str) -> str:
        try:
            scheme = urlsplit(value).scheme
        except ValueError:
            scheme = ""
        if scheme not in self.schemes:
            wanted = " or ".join(f"{name}://" for name in self.schemes)
            msg = f"must be a URL that begins with {wanted}"
            raise Invalid(msg)
        return value


_POSTGRES: Final = _Url("postgresql", "postgresql+psycopg2", "postgres")


def _are_origins(values: list[str]) -> list[str]:
    """Accept origins as a browser sends them: scheme, host, and a port that is not the scheme's."""
    for value in values:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != value or not parts.hostname:
            raise Invalid("must be origins like https://console.example.com, without a path, parted by commas")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one process. Times are seconds, sizes are counts unless the name says otherwise."""

    database_url: Secret
    database_direct_url: Secret | None
    broker_url: Secret
    redis_url: Secret
    smtp_url: Secret
    secret_key: Secret
    mail_from: str
    public_url: str
    host: str
    port: int
    web_threads: int
    web_waiters: int
    web_streams: int
    web_stream_seconds: int
    web_body_seconds: int
    trusted_proxies: int
    wrong_keys: int
    logins: int
    registrations: int
    access_token_seconds: int
    refresh_token_days: int
    cors_origins: tuple[str, ...]
    web_workers: int
    log_level: str
    log_format: str
    sentry_dsn: Secret | None
    demo_tasks: bool
    worker_events: bool
    database_pool_size: int
    statement_timeout: float
    lock_timeout: float
    lease: float
    cancel_grace: float
    look_interval: float
    relay_batch: int
    relay_poll: float
    publish_timeout: float
    beat_poll: float
    maintenance_poll: float
    allow_private_webhooks: bool
    allow_http_callbacks: bool
    flower_port: int
    flower_user: str
    flower_password: Secret | None

    @property
    def direct_url(self) -> Secret:
        """The database itself, past a pooler that gives each transaction another session: for LISTEN and migrations."""
        return self.database_direct_url or self.database_url


def load_settings(dotenv: Path | None = Path(".env")) -> Settings:
    """Read the settings from the environment, and what it lacks from `dotenv`.

    Args:
        dotenv: a file of `NAME=value` lines; a missing file is not an error. None reads the environment only.

    Raises:
        SettingsError: with every setting that is missing or wrong, and what to do about each.
    """
    env = Env(eager=False, prefix=PREFIX)
    if dotenv is not None and dotenv.is_file():
        env.read_env(str(dotenv), recurse=False, override=False)
    values: dict[str, Any] = {
        "database_url": env.str("DATABASE_URL", validate=_POSTGRES),
        "database_direct_url": env.str("DATABASE_DIRECT_URL", None, validate=_POSTGRES),
        "broker_url": env.str("BROKER_URL", validate=_Url("amqp", "amqps", "redis", "rediss")),
        "redis_url": env.str("REDIS_URL", validate=_Url("redis", "rediss")),
        "smtp_url": env.str("SMTP_URL", validate=_Url("smtp", "smtps", "smtp+starttls")),
        "secret_key": env.str(
            "SECRET_KEY",
            validate=Length(
                min=SECRET_KEY_BYTES,
                error="is too short: at least {min} characters, for instance from `openssl rand -hex 32`",
            ),
        ),
        "mail_from": env.str("MAIL_FROM", "Gristmill <no-reply@localhost.localdomain>"),
        "public_url": env.str("PUBLIC_URL", "http://127.0.0.1:8000", validate=_Url("http", "https")),
        "host": env.str("HOST", "127.0.0.1"),
        "port": env.int("PORT", 8000, validate=Range(1, 65535)),
        "web_threads": env.int("WEB_THREADS", 32, validate=Range(1, 256)),
        "web_waiters": env.int("WEB_WAITERS", 16, validate=Range(0, 255)),
        "web_streams": env.int("WEB_STREAMS", 8, validate=Range(0, 255)),
        "web_stream_seconds": env.int("WEB_STREAM_SECONDS", 900, validate=Range(1, 86_400)),
        "web_body_seconds": env.int("WEB_BODY_SECONDS", 60, validate=Range(1, 3_600)),
        "trusted_proxies": env.int("TRUSTED_PROXIES", 0, validate=Range(0, 10)),
        "wrong_keys": env.int("WRONG_KEYS", 30, validate=Range(1, 1_000_000)),
        "logins": env.int("LOGINS", 10, validate=Range(1, 1_000_000)),
        "registrations": env.int("REGISTRATIONS", 5, validate=Range(1, 1_000_000)),
        "access_token_seconds": env.int("ACCESS_TOKEN_SECONDS", 3_600, validate=Range(1, 86_400)),
        "refresh_token_days": env.int("REFRESH_TOKEN_DAYS", 30, validate=Range(1, 3_650)),
        "cors_origins": env.list("CORS_ORIGINS", [], validate=_are_origins),
        "web_workers": env.int("WEB_WORKERS", 1, validate=Range(1, 64)),
        "log_level": env.str("LOG_LEVEL", "INFO", validate=OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
        "log_format": env.str("LOG_FORMAT", "json", validate=OneOf(["json", "console"])),
        "sentry_dsn": env.str("SENTRY_DSN", None),
        "demo_tasks": env.bool("DEMO_TASKS", default=False),
        "worker_events": env.bool("WORKER_EVENTS", default=False),
        "database_pool_size": env.int("DATABASE_POOL_SIZE", 5, validate=Range(1, 200)),
        "statement_timeout": env.float("STATEMENT_TIMEOUT", 30.0, validate=Range(0.1, 3600)),
        "lock_timeout": env.float("LOCK_TIMEOUT", 5.0, validate=Range(0.1, 3600)),
        "lease": env.float("LEASE", 9.0, validate=Range(1, 3600)),
        "cancel_grace": env.float("CANCEL_GRACE", 10.0, validate=Range(0.1, 3600)),
        "look_interval": env.float("LOOK_INTERVAL", 5.0, validate=Range(0.1, 3600)),
        "relay_batch": env.int("RELAY_BATCH", 500, validate=Range(1, 10_000)),
        "relay_poll": env.float("RELAY_POLL", 0.5, validate=Range(0.01, 60)),
        "publish_timeout": env.float("PUBLISH_TIMEOUT", 10.0, validate=Range(0.1, 300)),
        "beat_poll": env.float("BEAT_POLL", 1.0, validate=Range(0.01, 60)),
        "maintenance_poll": env.float("MAINTENANCE_POLL", 1.0, validate=Range(0.01, 60)),
        "allow_private_webhooks": env.bool("ALLOW_PRIVATE_WEBHOOKS", default=False),
        "allow_http_callbacks": env.bool("ALLOW_HTTP_CALLBACKS", default=False),
        "flower_port": env.int("FLOWER_PORT", 5555, validate=Range(1, 65535)),
        "flower_user": env.str("FLOWER_USER", "gristmill"),
        "flower_password": env.str("FLOWER_PASSWORD", None),
    }
    try:
        env.seal()
    except EnvValidationError as error:
        raise SettingsError(_explain(error.error_messages)) from None
    values["cors_origins"] = tuple(values["cors_origins"])
    return Settings(**_hide_secrets(values))


SECRETS: Final = frozenset(
    {
        "database_url",
        "database_direct_url",
        "broker_url",
        "redis_url",
        "smtp_url",
        "secret_key",
        "sentry_dsn",
        "flower_password",
    }
)


def _hide_secrets(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Secret(value) if name in SECRETS and isinstance(value, str) else value for name, value in values.items()
    }


def environment(settings: Settings) -> dict[str, str]:
    """Return `settings` as environment variables for a child process. Holds secrets: pass it on, never print it."""
    made: dict[str, str] = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, tuple):
            value = ",".join(value) or None
        if value is not None:
            made[PREFIX + field.name.upper()] = value.reveal() if isinstance(value, Secret) else str(value)
    return made


def _explain(problems: Any) -> str:
    lines = ["The settings are not complete. Set these in the environment or in .env:"]
    for name, messages in sorted(problems.items()):
        text = " ".join(messages) if isinstance(messages, list) else str(messages)
        if "not set" in text:
            text = f"is missing; for instance {PREFIX}{name.removeprefix(PREFIX)}={_example(name.removeprefix(PREFIX))}"
        lines.append(f"  {PREFIX}{name.removeprefix(PREFIX)} {text}")
    lines.append("`gristmill up` (or `make up`) sets all of them for a local platform.")
    return "\n".join(lines)


def _example(name: str) -> str:
    return {
        "DATABASE_URL": "postgresql://user:password@host:5432/gristmill",
        "BROKER_URL": "amqp://user:password@host:5672/gristmill",
        "REDIS_URL": "redis://:password@host:6379/0",
        "SMTP_URL": "smtp+starttls://user:password@host:587",
        "SECRET_KEY": "<the output of `openssl rand -hex 32`>",
    }.get(name, "…")


Broker = Literal["rabbitmq", "redis"]


def broker_kind(settings: Settings) -> Broker:
    """Say which kind of broker `settings` name: `rabbitmq`, or `redis` (Valkey too)."""
    return "rabbitmq" if settings.broker_url.reveal().startswith("amqp") else "redis"
