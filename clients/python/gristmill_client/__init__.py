"""Post jobs to Gristmill and follow them."""

from gristmill_client.body import job_body
from gristmill_client.client import Client
from gristmill_client.errors import (
    ApiError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    SpoolFullError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from gristmill_client.filtering import Cancelled, Count
from gristmill_client.jobs import FINAL, SPOOLED, Event, Job
from gristmill_client.spool import Flushed, Refused
from gristmill_client.webhooks import SignatureError, verify_callback

__all__ = [
    "FINAL",
    "SPOOLED",
    "ApiError",
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
    "Refused",
    "SignatureError",
    "SpoolFullError",
    "TooManyError",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "job_body",
    "verify_callback",
]
