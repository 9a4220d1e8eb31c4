"""Errors that tell that the broker is away, restarts or does not take what is published."""

from __future__ import annotations

from typing import Final

from amqp.exceptions import AMQPError
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from gristmill.shared.errors import GristmillError


class PublishError(GristmillError):
    """Not every hint was confirmed; none of them counts as published."""

    code = "BROKER_PUBLISH_001"


# kombu passes some errors of its drivers on.
BROKER_AWAY: Final[tuple[type[Exception], ...]] = (PublishError, KombuError, AMQPError, RedisError, OSError)
