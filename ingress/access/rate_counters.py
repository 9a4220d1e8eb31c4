"""Count requests against the rate limits of keys and addresses, over all processes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from gristmill.shared.base.breaker import Breaker

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.settings import Settings

PATIENCE: Final = 0.25  # seconds that a request waits for Valkey before its process counts alone
_LONGEST_WINDOW: Final = 3600

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit: so many requests a second on average, and so many at once."""

    a_second: float
    burst: int | None = None

    @property
    def item(self) -> RateLimitItem:
        """The limit as a number of requests in a moving window."""
        at_once = max(1.0, self.a_second if self.burst is None else self.burst)
        window = min(_LONGEST_WINDOW, max(1, math.ceil(at_once / self.a_second)))
        return RateLimitItemPerSecond(max(1, math.floor(self.a_second * window)), window)


@dataclass(frozen=True, slots=True)
class RateStatus:
    """The state of a limit after a request, as the headers report it."""

    allowed: bool
    limit: int
    remaining: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the IETF draft of 2019, which clients know; `RateLimit-Reset` is in seconds from now."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return told if self.allowed else told | {"Retry-After": str(self.reset)}


class RateCounters:
    """Counters in Valkey, shared by all processes; while Valkey is away each process counts alone.

    The request that finds Valkey away waits for it `PATIENCE` seconds. Those that follow do not wait: the breaker lets
    one of them try again now and then.
    """

    def __init__(self, settings: Settings) -> None:
        self._shared = MovingWindowRateLimiter(
            RedisStorage(
                settings.redis_url.reveal(),
                key_prefix="gristmill-limits",
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
            )
        )
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._breaker = Breaker()
        self._wrong_keys = RateLimitItemPerMinute(settings.wrong_keys)
        self._logins = RateLimitItemPerMinute(settings.logins)
        self._registrations = RateLimitItemPerMinute(settings.registrations)
        self.fallbacks = 0  # requests that this process has counted alone

    def count_request(self, producer_id: UUID, rate: Rate) -> RateStatus:
        """Count a request of a producer with a rate limit."""
        return self._count(rate.item, f"producer:{producer_id}")

    def count_wrong_key(self, address: str) -> RateStatus:
        """Count a request with a wrong key."""
        return self._count(self._wrong_keys, f"wrong-key:{address}")

    def count_login(self, address: str) -> RateStatus:
        """Count a sign-in."""
        return self._count(self._logins, f"login:{address}")

    def count_registration(self, address: str) -> RateStatus:
        """Count a registration."""
        return self._count(self._registrations, f"registration:{address}")

    def _count(self, item: RateLimitItem, name: str) -> RateStatus:
        if not self._breaker.pause:
            try:
                status = _hit(self._shared, item, name)
            except RedisError as error:
                self._breaker.failed()
                log.warning("limits.by_process", error=type(error).__name__)
            else:
                self._breaker.worked()
                return status
        self.fallbacks += 1
        return _hit(self._own, item, name)


def _hit(limiter: MovingWindowRateLimiter, item: RateLimitItem, name: str) -> RateStatus:
    allowed = limiter.hit(item, name)
    stats = limiter.get_window_stats(item, name)
    reset = max(1, math.ceil(stats.reset_time - time.time()))
    return RateStatus(allowed, item.amount, max(0, stats.remaining), reset)
