"""Operations on schedules, in the database."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.http.cursor import BY_NAME, BY_TIME
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.schedule_details import (
    check_schedule_name,
    shipped_schedules,
    show_fire,
    show_schedule_details,
)
from gristmill.ingress.schemas.schedules import (
    BackfillAnswer,
    BackfillRequest,
    FirePage,
    FireQuery,
    RunAnswer,
    RunRequest,
    ScheduleAnswer,
    SchedulePage,
    SchedulePatch,
    ScheduleQuery,
    ScheduleRequest,
)
from gristmill.shared.schedules import define
from gristmill.shared.schedules.backfill import backfill_schedule as backfill
from gristmill.shared.schedules.queries import get_schedule
from gristmill.shared.schedules.queries import list_fires as fires_of
from gristmill.shared.schedules.queries import list_schedules as schedules_of
from gristmill.shared.schedules.run_now import run_schedule as run

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.schedules.models import Fire


def list_schedules(by: Operator, body: dict[str, Any]) -> Any:
    """List schedules by name."""
    page = read_page(
        by.database,
        ScheduleQuery().load(body),
        lambda session, limit, after: schedules_of(session, limit=limit, after=after or ""),
        cursor=BY_NAME,
        key_of=lambda schedule: schedule.name,
        show=show_schedule_details,
    )
    return SchedulePage().dump(page)


def show_schedule(by: Operator, _body: dict[str, Any], name: str) -> Any:
    """Show a schedule with its next fires."""
    with by.database.transaction() as session:
        return ScheduleAnswer().dump(show_schedule_details(get_schedule(session, name)))


def put_schedule(by: Operator, body: dict[str, Any], name: str) -> tuple[int, Any]:
    """Create or replace a schedule."""
    wanted = ScheduleRequest().load(body)
    check_schedule_name(name)
    with by.database.transaction() as session:
        made, is_new = define.define_schedule(session, name, define.Definition(**wanted), principal=by.principal)
        return 201 if is_new else 200, ScheduleAnswer().dump(show_schedule_details(made))


def change_schedule(by: Operator, body: dict[str, Any], name: str) -> Any:
    """Change fields of a schedule."""
    wanted = SchedulePatch().load(body)
    with by.database.transaction() as session:
        changed = define.change_schedule(session, name, wanted, principal=by.principal)
        return ScheduleAnswer().dump(show_schedule_details(changed))


def delete_schedule(by: Operator, _body: dict[str, Any], name: str) -> None:
    """Delete a schedule and its fires."""
    with by.database.transaction() as session:
        define.delete_schedule(session, name, principal=by.principal, shipped=shipped_schedules())


def list_fires(by: Operator, body: dict[str, Any], name: str) -> Any:
    """List the fires of a schedule, the latest first."""

    def list_rows(session: "Session", limit: int, before: datetime | None) -> "list[tuple[Fire, str | None]]":
        get_schedule(session, name)
        return fires_of(session, name, limit=limit, before=before)

    wanted = FireQuery().load(body)
    page = read_page(by.database, wanted, list_rows, cursor=BY_TIME, key_of=lambda row: row[0].fire_at, show=show_fire)
    return FirePage().dump(page)


def run_schedule(by: Operator, body: dict[str, Any], name: str) -> tuple[int, Any]:
    """Fire a schedule immediately."""
    fire_at = RunRequest().load(body).get("fire_at")
    with by.database.transaction() as session:
        done = run(session, name, principal=by.principal, fire_at=fire_at)
    shown = {"schedule": name, "fire_at": done.fire_at, "job_id": done.job_id}
    return 202 if done.is_new else 200, RunAnswer().dump(shown)


def backfill_schedule(by: Operator, body: dict[str, Any], name: str) -> Any:
    """Create the jobs of past times that have none."""
    wanted = BackfillRequest().load(body)
    with by.database.transaction() as session:
        done = backfill(session, name, principal=by.principal, **wanted)
    shown = {"times": done.times, "jobs": done.jobs, "already": done.already, "next_from": done.next_from}
    return BackfillAnswer().dump({"dry_run": wanted["dry_run"], **shown})
