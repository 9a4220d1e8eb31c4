"""Deliver one notification on the channels that the producer chooses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import URL, ContainsOnly, Length

from gristmill.shared.context import Context
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outcomes import Discard
from gristmill.shared.people import queries as users
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.notifications import queries as notifications
from gristmill.tasks.notifications.channels.catalogue import channels as all_channels
from gristmill.tasks.notifications.channels.channel import Notice

LARGEST_DATA: Final = 32 * 1024  # bytes as JSON: a notification refers to data, it does not transport them


def data_is_too_large(data: Mapping[str, Any]) -> str | None:
    """Return the problem with the data of a notification when they are too large, or None."""
    return f"must have at most {LARGEST_DATA} bytes as JSON" if len(orjson.dumps(data)) > LARGEST_DATA else None


class SendNotificationArgs(Schema):
    """The content, the channels, and the arguments that these channels need."""

    channels = fields.List(
        fields.String(),
        required=True,
        validate=[Length(1, len(all_channels())), ContainsOnly(sorted(all_channels()))],
        metadata={"example": ["in_app"]},
    )
    title = fields.String(required=True, validate=Length(1, 200))
    body = fields.String(required=True, validate=Length(1, 10_000))
    data = fields.Dict(keys=fields.String(), load_default=dict)
    user_id = fields.UUID(load_default=None, metadata={"example": "019a0000-0000-7000-8000-000000000000"})
    webhook_url = fields.String(
        validate=[Length(max=2_000), URL(schemes={"http", "https"}, require_tld=False)], load_default=None
    )

    @validates_schema
    def check_channels(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a channel that is named twice or lacks its argument, and data that are too large."""
        problems: dict[str, list[str]] = {}
        named = data.get("channels", [])
        if len(set(named)) < len(named):
            problems["channels"] = ["name each channel once"]
        known = all_channels()
        for name in named:
            if name in known and data.get(known[name].needs) is None:
                problems[known[name].needs] = [f"is missing: the channel {name} needs it"]
        if too_large := data_is_too_large(data.get("data", {})):
            problems["data"] = [too_large]
        if problems:
            raise ValidationError(problems)


@task(
    name="notification.send",
    queue="notification_queue",
    args=SendNotificationArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=60),
    effects="outside",
)
def send_notification(
    ctx: Context,
    *,
    channels: Sequence[str],
    title: str,
    body: str,
    data: Mapping[str, Any],
    user_id: UUID | None = None,
    webhook_url: str | None = None,
) -> dict[str, str] | Discard:
    """Deliver one notification on each of its channels.

    Repeating is harmless: each delivery is a ledger row keyed by job and channel, and a channel that has delivered is
    skipped. A crash between the answer of a receiver and the commit posts again, under the same Idempotency-Key.
    To notify inside the application only, post `notification.in_app`: it writes many rows by one statement.
    """
    notice = Notice(id=ctx.job_id, title=title, body=body, data=data, user_id=user_id, webhook_url=webhook_url)
    with ctx.transaction() as session:
        if user_id is not None and users.find_user(session, user_id) is None:
            return Discard(f"There is no user {user_id}", code="USER_UNKNOWN")
        replies = notifications.begin_notifications(
            session,
            job_id=ctx.job_id,
            targets={name: all_channels()[name].target(notice) for name in channels},
            user_id=user_id,
            title=title,
            body=body,
            data=data,
        )
    _deliver(ctx, notice, [name for name in channels if name not in replies], replies)
    return replies


def _deliver(ctx: Context, notice: Notice, channels: Sequence[str], replies: dict[str, str]) -> None:
    """Try each channel once, add its reply, and write the outcome into the ledger; then raise a failure, if any."""
    refused: PermanentError | None = None
    deferred: TransientError | None = None
    for name in channels:
        try:
            replies[name] = all_channels()[name].deliver(notice, ctx.settings)
        except TransientError as error:
            deferred = error
        except PermanentError as error:
            refused = error
            with ctx.transaction() as session:
                notifications.mark_refused(session, ctx.job_id, name, reply=error.message)
        else:
            with ctx.transaction() as session:
                notifications.mark_delivered(session, ctx.job_id, name, reply=replies[name])
    if deferred is not None:  # the other channels are done; this one is tried again
        raise deferred
    if refused is not None:
        raise refused
