"""Write the notifications that people read inside the application, many by one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from marshmallow import Schema, ValidationError, fields, validates
from marshmallow.validate import Length
from uuid_utils.compat import uuid7

from gristmill.shared.context import Call, Context
from gristmill.shared.outcomes import Discard
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.notifications.queries import InAppNotice, write_in_app
from gristmill.tasks.notifications.send_notification import data_is_too_large


class NotifyInAppArgs(Schema):
    """The recipient and the content."""

    user_id = fields.UUID(required=True)
    title = fields.String(required=True, validate=Length(1, 200))
    body = fields.String(required=True, validate=Length(1, 10_000))
    data = fields.Dict(keys=fields.String(), load_default=dict)

    @validates("data")
    def check_data(self, data: dict[str, Any], data_key: str) -> None:
        """Refuse data that is too large."""
        del data_key
        if problem := data_is_too_large(data):
            raise ValidationError(problem)


def notify_many_in_app(calls: Sequence[Call]) -> list[dict[str, str] | Discard]:
    """Write the notifications of many jobs by one statement.

    Repeating is harmless: a job has one notification in the application.
    """
    notices = [InAppNotice(id=uuid7(), job_id=call.ctx.job_id, **call.args) for call in calls]
    stored = write_in_app(calls[0].ctx.session, notices)
    return [
        {"in_app": "stored"}
        if notice.job_id in stored
        else Discard(f"There is no user {notice.user_id}", code="USER_UNKNOWN")
        for notice in notices
    ]


@task(
    name="notification.in_app",
    queue="notification_queue",
    args=NotifyInAppArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=3),
    effects="database",
    bundle=50,
    many=notify_many_in_app,
)
def notify_in_app(
    ctx: Context, *, user_id: UUID, title: str, body: str, data: Mapping[str, Any]
) -> dict[str, str] | Discard:
    """Write one notification that a user reads inside the application; see `notify_many_in_app`."""
    return notify_many_in_app([Call(ctx, {"user_id": user_id, "title": title, "body": body, "data": data})])[0]
