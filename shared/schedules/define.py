"""Schedules by hand: made, changed and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.audit.queries import record_act
from gristmill.shared.database.clock import read_clock
from gristmill.shared.errors import ConflictError, ForbiddenError, InvalidArgsError
from gristmill.shared.schedules import queries
from gristmill.shared.schedules.fire import fill_in
from gristmill.shared.schedules.models import Schedule
from gristmill.shared.schedules.recurrence import Recurrence, recurrence_of
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.base.principal import Principal

log = structlog.get_logger(__name__)
_RULE: Final = frozenset({"cron", "every", "timezone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The definition of a schedule: either `cron` or `every` (seconds), and a task with its arguments."""

    cron: str | None = None
    every: float | None = None
    timezone: str = "UTC"
    task: str
    args: Mapping[str, Any] = field(default_factory=dict)
    catch_up: str = "last"
    overlap: str = "allow"
    enabled: bool = True


def define_schedule(
    session: Session, name: str, wanted: Definition, *, principal: Principal, demo: bool = True
) -> tuple[Schedule, bool]:
    """Create the schedule `name`, or replace its definition; in the caller's transaction.

    Args:
        session: the caller's.
        name: of the schedule.
        wanted: its definition.
        principal: who defines it.
        demo: whether the demo tasks may be scheduled.

    Returns:
        The schedule, and whether it is new.

    Raises:
        InvalidError: the rule is none, the task is unknown, or its arguments do not fit; `details` by field.
        ForbiddenError: the principal may not post the task.
    """
    first = _check(wanted, read_clock(session), principal, demo=demo)
    values = asdict(wanted) | {"args": dict(wanted.args)}
    if queries.insert_schedule(session, {"name": name, "next_fire_at": first, "changed_by": principal.name} | values):
        record_act(session, actor=principal.name, action="schedule.create", subject=f"schedule:{name}", **values)
        return queries.get_schedule(session, name), True
    known = queries.lock_schedule(session, name)
    check_may_schedule(principal, known.task)
    _change(session, known, values, actor=principal.name)
    return known, False


def change_schedule(
    session: Session, name: str, changes: Mapping[str, Any], *, principal: Principal, demo: bool = True
) -> Schedule:
    """Change some of a schedule's fields; giving `cron` takes `every` away, and the other way round.

    What it was due while it was off is not made up for; a backfill does that.

    Raises:
        NotFoundError: there is no such schedule.
        InvalidError: as of `define_schedule`.
        ForbiddenError: the principal may not post its task, or the one it is to have.
    """
    known = queries.lock_schedule(session, name)
    check_may_schedule(principal, known.task)
    values = asdict(_definition_of(known)) | dict(changes)
    if "every" in changes and "cron" not in changes:
        values["cron"] = None
    if "cron" in changes and "every" not in changes:
        values["every"] = None
    _check(Definition(**values), read_clock(session), principal, demo=demo)
    _change(session, known, values, actor=principal.name)
    return known


def delete_schedule(session: Session, name: str, *, principal: Principal, shipped: frozenset[str]) -> None:
    """Delete a schedule and the record of its fires; their jobs stay.

    Args:
        session: the caller's.
        name: of the schedule.
        principal: who does it.
        shipped: names of the schedules that come with the code, which beat would write again.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it comes with the code; it can be switched off.
    """
    known = queries.lock_schedule(session, name)
    check_may_schedule(principal, known.task)
    if name in shipped:
        msg = f'The schedule {name} comes with the code and would come again: switch it off instead ("enabled": false)'
        raise ConflictError(msg)
    record_act(
        session,
        actor=principal.name,
        action="schedule.delete",
        subject=f"schedule:{name}",
        **asdict(_definition_of(known)),
    )
    queries.delete_schedule(session, known)


def check_may_schedule(principal: Principal, task: str) -> None:
    """Refuse a task that `principal` may not post.

    Raises:
        ForbiddenError: names those that it may.
    """
    if not principal.may_post(task):
        allowed = ", ".join(sorted(principal.allowed_tasks or ())) or "nothing"
        msg = f"This key may not post {task[:200]!r}, so neither schedule it; it may post {allowed}"
        raise ForbiddenError(msg, {"task": ["not among the tasks of this key"]})


def _check(wanted: Definition, now: datetime, principal: Principal, *, demo: bool) -> datetime:
    """Refuse a definition that could not fire; return when it is due first."""
    first = next(Recurrence(cron=wanted.cron, every=wanted.every, timezone=wanted.timezone).after(now))
    check_may_schedule(principal, wanted.task)
    check_args(registry.get_for_posting(wanted.task, demo=demo), wanted.args, first)
    return first


def check_args(task: Task, args: Mapping[str, Any], fire_at: datetime) -> None:
    """Refuse arguments with which a fire could not enqueue `task`.

    Raises:
        InvalidArgsError: they do not fit its schema, or it takes secret ones.
    """
    if task.secret_args:
        secret = ", ".join(sorted(task.secret_args))
        msg = f"The task {task.name} takes secret arguments ({secret}), which a schedule does not keep"
        raise InvalidArgsError(msg, {f"args.{each}": ["secret: not kept in a schedule"] for each in task.secret_args})
    task.load_args(fill_in(args, fire_at))


def _change(session: Session, known: Schedule, values: Mapping[str, Any], *, actor: str) -> None:
    changed = {name: value for name, value in values.items() if getattr(known, name) != value}
    if not changed:
        return
    was = {name: getattr(known, name) for name in changed}
    for name, value in changed.items():
        setattr(known, name, value)
    now = read_clock(session)
    if _RULE & changed.keys() or changed.get("enabled"):
        known.next_fire_at = next(recurrence_of(known).after(now))
    known.changed_by, known.updated_at = actor, now
    session.flush()
    record_act(session, actor=actor, action="schedule.change", subject=f"schedule:{known.name}", was=was, now=changed)


def _definition_of(schedule: Schedule) -> Definition:
    return Definition(
        cron=schedule.cron,
        every=schedule.every,
        timezone=schedule.timezone,
        task=schedule.task,
        args=schedule.args,
        catch_up=schedule.catch_up,
        overlap=schedule.overlap,
        enabled=schedule.enabled,
    )
