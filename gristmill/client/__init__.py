"""Post jobs to Gristmill over HTTP and follow them: `Client` blocks, `AsyncClient` runs on asyncio.

This package loads httpx and the standard library, and nothing else of the platform.
"""

from gristmill.client.async_client import AsyncClient
from gristmill.client.body import job_body
from gristmill.client.client import Client
from gristmill.client.errors import (
    ApiError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    NotSpooledError,
    SpoolError,
    SpoolFullError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
    UnsureError,
)
from gristmill.client.filtering import Cancelled, Count
from gristmill.client.jobs import FINAL, SPOOLED, Event, Job
from gristmill.client.spool.async_spool import AsyncSpool
from gristmill.client.spool.options import SpoolOptions
from gristmill.client.spool.records import Flushed, Spooled
from gristmill.client.spool.spool import Spool
from gristmill.client.webhooks import SignatureError, verify_callback

__all__ = [
    "FINAL",
    "SPOOLED",
    "ApiError",
    "AsyncClient",
    "AsyncSpool",
    "Cancelled",
    "Client",
    "ClientError",
    "ConflictError",
    "Count",
    "Event",
    "Flushed",
    "ForbiddenError",
    "InvalidError",
    "Job",
    "NotFoundError",
    "NotSpooledError",
    "SignatureError",
    "Spool",
    "SpoolError",
    "SpoolFullError",
    "SpoolOptions",
    "Spooled",
    "TooManyError",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "UnsureError",
    "job_body",
    "verify_callback",
]
