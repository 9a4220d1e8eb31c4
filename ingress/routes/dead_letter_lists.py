"""Routes to list, search, count, group and redrive dead letters by a filter."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.http.cursor import BY_GROUP, BY_ID
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.dead_letter_details import show_dead_letter_group, show_listed_dead_letter
from gristmill.ingress.operating.redrive_many import preview_redrive, redrive_many
from gristmill.ingress.operating.requested_filter import requested_dead_letters
from gristmill.ingress.schemas.dead_letter_lists import (
    DeadLetterCount,
    DeadLetterGroupQuery,
    DeadLetterGroups,
    DeadLetterPage,
    DeadLetterQuery,
    DeadLetterSearch,
    RedriveManyAnswer,
    RedriveManyRequest,
)
from gristmill.ingress.schemas.lists import CountAnswer
from gristmill.ingress.services import services
from gristmill.shared.database.bounded_count import Count
from gristmill.shared.dead_letters.queries import count_letters, list_letters
from gristmill.shared.dead_letters.queries_groups import GroupPosition, list_groups

blueprint = OptionalBodyBlueprint(
    "dead_letter_lists", __name__, url_prefix=PREFIX, description="Dead letters by a filter."
)


@blueprint.route("/dead-letters", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(DeadLetterQuery(), location="query")
@blueprint.response(200, DeadLetterPage)
@blueprint.doc(operationId="list_dead_letters")
def list_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """List dead letters, newest first.

    A producer sees those of its own jobs; the scopes operator and admin see all, and messages that never were a job.
    """
    return _page(wanted)


@blueprint.route("/dead-letters/search", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(DeadLetterSearch(), required=False)
@blueprint.response(200, DeadLetterPage)
@blueprint.doc(operationId="search_dead_letters")
def search_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """List dead letters by a filter, newest first.

    `where` has the form that `POST /jobs/search` accepts, with the fields of dead letters.
    """
    return _page(wanted)


@blueprint.route("/dead-letters/count", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(DeadLetterCount(), required=False)
@blueprint.response(200, CountAnswer)
@blueprint.doc(operationId="count_dead_letters")
def count_dead_letters(wanted: dict[str, Any]) -> Count:
    """Count dead letters by a filter, up to 10,000."""
    with services().database.transaction() as session:
        return count_letters(session, requested_dead_letters(current_principal(), wanted))


@blueprint.route("/dead-letters/groups", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(DeadLetterGroupQuery(), location="query")
@blueprint.response(200, DeadLetterGroups)
@blueprint.doc(operationId="group_dead_letters")
def group_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """Group dead letters by task and kind of failure, the largest group first.

    A group that grows between two pages may appear on both, or on neither.
    """
    return read_page(
        services().database,
        wanted,
        lambda session, limit, after: list_groups(
            session, requested_dead_letters(current_principal(), wanted), limit=limit, after=after
        ),
        cursor=BY_GROUP,
        key_of=GroupPosition.of,
        show=show_dead_letter_group,
    )


@blueprint.route("/dead-letters/redrive", methods=["POST"])
@requires("dead_letters:write")
@blueprint.arguments(RedriveManyRequest())
@blueprint.response(200, RedriveManyAnswer)
@blueprint.doc(operationId="redrive_dead_letters")
def redrive_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """Redrive dead letters by a filter, oldest first.

    Those whose jobs cannot run are skipped and counted. If `more` is true, repeat the request.
    """
    dry_run, rate, limit = wanted.pop("dry_run"), wanted.pop("rate", None), wanted.pop("limit")
    wanted.pop("all", None)
    database, chosen = services().database, requested_dead_letters(current_principal(), wanted)
    if dry_run:
        return preview_redrive(database, chosen)
    return redrive_many(database, chosen, actor=current_principal().name, rate=rate, limit=limit)


def _page(wanted: dict[str, Any]) -> dict[str, Any]:
    return read_page(
        services().database,
        wanted,
        lambda session, limit, before: list_letters(
            session, requested_dead_letters(current_principal(), wanted), limit=limit, before=before
        ),
        cursor=BY_ID,
        key_of=lambda letter: letter.id,
        show=show_listed_dead_letter,
    )
