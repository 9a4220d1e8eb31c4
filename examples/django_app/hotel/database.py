"""The database, by its URL."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict

_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database(url: str) -> dict[str, Any]:
    """Return what Django's DATABASES holds for the URL of a Postgres."""
    parts = conninfo_to_dict(url)
    named = {django: parts.pop(libpq, "") for libpq, django in _NAMES.items()}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": parts}
