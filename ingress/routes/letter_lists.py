"""List, search, count, group and redrive dead letters by a filter."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.authenticate import current_principal, requires
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.http.cursor import BY_GROUP, BY_ID
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.dead_letter_details import show_group, show_letter
from gristmill.ingress.operating.redrive_many import preview_redrive, redrive_many
from gristmill.ingress.operating.requested_filter import wanted_letters
from gristmill.ingress.schemas.letter_lists import (
    GroupQuery,
    LetterCount,
    LetterGroups,
    LetterPage,
    LetterQuery,
    LetterSearch,
    RedriveManyAnswer,
    RedriveManyRequest,
)
from gristmill.ingress.schemas.lists import CountAnswer
from gristmill.ingress.services import services
from gristmill.shared.database.bounded_count import Count
from gristmill.shared.dead_letters.queries import count_letters, list_letters
from gristmill.shared.dead_letters.queries_groups import Place, list_groups

blueprint = OptionalBodyBlueprint("letter_lists", __name__, url_prefix=PREFIX, description="Dead letters by a filter.")


@blueprint.route("/dead-letters", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(LetterQuery(), location="query")
@blueprint.response(200, LetterPage)
@blueprint.doc(operationId="list_dead_letters")
def list_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """List dead letters, newest first.

    A producer sees those of its own jobs; the scopes operator and admin see all, and messages that never were a job.
    """
    return _page(wanted)


@blueprint.route("/dead-letters/search", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(LetterSearch(), required=False)
@blueprint.response(200, LetterPage)
@blueprint.doc(operationId="search_dead_letters")
def search_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """List dead letters by a filter, newest first; `where` is what `POST /jobs/search` takes, with other fields."""
    return _page(wanted)


@blueprint.route("/dead-letters/count", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(LetterCount(), required=False)
@blueprint.response(200, CountAnswer)
@blueprint.doc(operationId="count_dead_letters")
def count_dead_letters(wanted: dict[str, Any]) -> Count:
    """Count dead letters by a filter, up to 10,000."""
    with services().database.transaction() as session:
        return count_letters(session, wanted_letters(current_principal(), wanted))


@blueprint.route("/dead-letters/groups", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(GroupQuery(), location="query")
@blueprint.response(200, LetterGroups)
@blueprint.doc(operationId="group_dead_letters")
def group_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """Group dead letters by task and by how they failed, the largest group first.

    A group that grows between two pages may be on both, or on neither.
    """
    return read_page(
        services().database,
        wanted,
        lambda session, limit, after: list_groups(
            session, wanted_letters(current_principal(), wanted), limit=limit, after=after
        ),
        cursor=BY_GROUP,
        key_of=Place.of,
        show=show_group,
    )


@blueprint.route("/dead-letters/redrive", methods=["POST"])
@requires("dead_letters:write")
@blueprint.arguments(RedriveManyRequest())
@blueprint.response(200, RedriveManyAnswer)
@blueprint.doc(operationId="redrive_dead_letters")
def redrive_dead_letters(wanted: dict[str, Any]) -> dict[str, Any]:
    """Put the jobs of many dead letters back to work, oldest first.

    Those that cannot run are left and counted. Answers with `more` when further ones fit: ask again.
    """
    dry_run, rate, limit = wanted.pop("dry_run"), wanted.pop("rate", None), wanted.pop("limit")
    wanted.pop("all", None)
    database, chosen = services().database, wanted_letters(current_principal(), wanted)
    if dry_run:
        return preview_redrive(database, chosen)
    return redrive_many(database, chosen, actor=current_principal().name, rate=rate, limit=limit)


def _page(wanted: dict[str, Any]) -> dict[str, Any]:
    return read_page(
        services().database,
        wanted,
        lambda session, limit, before: list_letters(
            session, wanted_letters(current_principal(), wanted), limit=limit, before=before
        ),
        cursor=BY_ID,
        key_of=lambda letter: letter.id,
        show=show_letter,
    )
