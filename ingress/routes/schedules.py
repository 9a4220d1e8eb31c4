"""Routes to manage schedules, to run them immediately, and to backfill past times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, Blueprint, OptionalBodyBlueprint
from gristmill.ingress.http.cursor import BY_NAME, BY_TIME
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.schedule_details import (
    check_schedule_name,
    shipped_schedules,
    show_fire,
    show_schedule_details,
)
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.schedules import (
    NAME,
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
from gristmill.ingress.services import services
from gristmill.shared.schedules.backfill import backfill_schedule
from gristmill.shared.schedules.define import Definition, change_schedule, define_schedule, delete_schedule
from gristmill.shared.schedules.queries import get_schedule, list_fires, list_schedules
from gristmill.shared.schedules.run_now import run_schedule

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from gristmill.shared.schedules.models import Fire

blueprint: Blueprint = OptionalBodyBlueprint(
    "schedules", __name__, url_prefix=PREFIX, description="Rules that enqueue a job whenever they are due."
)
_NAME: Final = [{"in": "path", "name": "name", "schema": {"type": "string", "pattern": NAME}}]
_LOCATION: Final = {"Location": {"schema": {"type": "string"}, "description": "The URL of the job."}}


@blueprint.route("/schedules", methods=["GET"])
@requires("schedules:read")
@blueprint.arguments(ScheduleQuery(), location="query")
@blueprint.response(200, SchedulePage)
@blueprint.doc(operationId="list_schedules")
def list_all_schedules(wanted: dict[str, Any]) -> dict[str, Any]:
    """List schedules by name."""
    return read_page(
        services().database,
        wanted,
        lambda session, limit, after: list_schedules(session, limit=limit, after=after or ""),
        cursor=BY_NAME,
        key_of=lambda schedule: schedule.name,
        show=show_schedule_details,
    )


@blueprint.route("/schedules/<name>", methods=["GET"], parameters=_NAME)
@requires("schedules:read")
@blueprint.response(200, ScheduleAnswer)
@blueprint.doc(operationId="show_schedule")
def show_schedule(name: str) -> dict[str, Any]:
    """Show a schedule, with the next times at which it is due."""
    with services().database.transaction() as session:
        return show_schedule_details(get_schedule(session, name))


@blueprint.route("/schedules/<name>", methods=["PUT"], parameters=_NAME)
@requires("schedules:write")
@blueprint.arguments(ScheduleRequest())
@blueprint.response(200, ScheduleAnswer, description="The schedule was replaced.")
@blueprint.alt_response(201, schema=ScheduleAnswer, description="The schedule was created.")
@blueprint.doc(operationId="put_schedule")
def put_schedule(wanted: dict[str, Any], name: str) -> tuple[dict[str, Any], int]:
    """Create or replace a schedule.

    Check `next_fires` in the answer. A cron rule follows the wall clock of its time zone. A time that daylight saving
    skips is due when the skipped hour ends, and a time that occurs twice is due once.
    """
    check_schedule_name(name)
    with services().database.transaction() as session:
        schedule, is_new = define_schedule(
            session, name, Definition(**wanted), principal=current_principal(), demo=_demo()
        )
        return show_schedule_details(schedule), 201 if is_new else 200


@blueprint.route("/schedules/<name>", methods=["PATCH"], parameters=_NAME)
@requires("schedules:write")
@blueprint.arguments(SchedulePatch())
@blueprint.response(200, ScheduleAnswer)
@blueprint.doc(operationId="change_schedule")
def change_one_schedule(wanted: dict[str, Any], name: str) -> dict[str, Any]:
    """Change fields of a schedule; `"enabled": false` switches it off.

    Times that were due while it was off are not made up for; backfill them. A schedule that comes with the code stops
    following the code once it is changed.
    """
    with services().database.transaction() as session:
        return show_schedule_details(
            change_schedule(session, name, wanted, principal=current_principal(), demo=_demo())
        )


@blueprint.route("/schedules/<name>", methods=["DELETE"], parameters=_NAME)
@requires("schedules:write")
@blueprint.response(204)
@blueprint.alt_response(
    409, schema=ErrorEnvelope, description="The schedule comes with the code: switch it off instead."
)
@blueprint.doc(operationId="delete_schedule")
def delete_one_schedule(name: str) -> None:
    """Delete a schedule and its fires. Their jobs remain."""
    with services().database.transaction() as session:
        delete_schedule(session, name, principal=current_principal(), shipped=shipped_schedules())


@blueprint.route("/schedules/<name>/fires", methods=["GET"], parameters=_NAME)
@requires("schedules:read")
@blueprint.arguments(FireQuery(), location="query")
@blueprint.response(200, FirePage)
@blueprint.doc(operationId="list_fires")
def list_fires_of_schedule(wanted: dict[str, Any], name: str) -> dict[str, Any]:
    """List the fires of a schedule, the latest first, with the state of each job."""

    def list_rows(session: Session, limit: int, before: datetime | None) -> list[tuple[Fire, str | None]]:
        get_schedule(session, name)
        return list_fires(session, name, limit=limit, before=before)

    return read_page(
        services().database, wanted, list_rows, cursor=BY_TIME, key_of=lambda row: row[0].fire_at, show=show_fire
    )


@blueprint.route("/schedules/<name>/run", methods=["POST"], parameters=_NAME)
@requires("schedules:write")
@blueprint.arguments(RunRequest(), required=False)
@blueprint.response(202, RunAnswer, headers=_LOCATION, description="The job is accepted.")
@blueprint.alt_response(200, schema=RunAnswer, headers=_LOCATION, description="This time had the job already.")
@blueprint.alt_response(
    409, schema=ErrorEnvelope, description="Its last job has not ended, or its task does not exist any more."
)
@blueprint.doc(operationId="run_schedule")
def run_one_schedule(wanted: dict[str, Any], name: str) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Run a schedule immediately, even one that is switched off.

    Send `fire_at` to make the request safe to repeat: the same time returns the same job.
    """
    with services().database.transaction() as session:
        run = run_schedule(session, name, principal=current_principal(), fire_at=wanted.get("fire_at"))
    shown = {"schedule": name, "fire_at": run.fire_at, "job_id": run.job_id}
    return shown, 202 if run.is_new else 200, {"Location": f"{PREFIX}/jobs/{run.job_id}"}


@blueprint.route("/schedules/<name>/backfill", methods=["POST"], parameters=_NAME)
@requires("schedules:write")
@blueprint.arguments(BackfillRequest())
@blueprint.response(200, BackfillAnswer)
@blueprint.alt_response(409, schema=ErrorEnvelope, description="Its task does not exist any more.")
@blueprint.doc(operationId="backfill_schedule")
def backfill_one_schedule(wanted: dict[str, Any], name: str) -> dict[str, Any]:
    """Backfill a schedule: create the jobs of past times that have none.

    The request is safe to repeat: no time gets a second job. If there are more times than `limit`, continue with
    `next_from`. Every time gets a job, whatever `overlap` says.
    """
    with services().database.transaction() as session:
        done = backfill_schedule(session, name, principal=current_principal(), **wanted)
    return {
        "dry_run": wanted["dry_run"],
        "times": done.times,
        "jobs": done.jobs,
        "already": done.already,
        "next_from": done.next_from,
    }


def _demo() -> bool:
    return services().settings.demo_tasks
