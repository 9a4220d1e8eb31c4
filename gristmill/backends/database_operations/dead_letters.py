"""Operations on dead letters, in the database."""

from typing import Any
from uuid import UUID

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.http.cursor import BY_GROUP, BY_ID
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.dead_letter_details import (
    show_dead_letter_details,
    show_dead_letter_group,
    show_listed_dead_letter,
)
from gristmill.ingress.operating.redrive_many import preview_redrive, redrive_all, redrive_many
from gristmill.ingress.operating.requested_filter import requested_dead_letters
from gristmill.ingress.schemas.dead_letter_lists import (
    DeadLetterCount,
    DeadLetterGroupQuery,
    DeadLetterGroups,
    DeadLetterPage,
    DeadLetterSearch,
    RedriveManyAnswer,
    RedriveManyRequest,
)
from gristmill.ingress.schemas.dead_letters import DeadLetterAnswer, DeadLetterDetails, DiscardRequest, RedriveRequest
from gristmill.ingress.schemas.jobs import ListedJob
from gristmill.ingress.schemas.lists import CountAnswer
from gristmill.shared.dead_letters.queries import count_letters, get_letter, list_letters
from gristmill.shared.dead_letters.queries_groups import GroupPosition, list_groups
from gristmill.shared.dead_letters.redrive import discard_one, redrive_one


def search_dead_letters(by: Operator, body: dict[str, Any]) -> Any:
    """List dead letters by a filter, newest first."""
    wanted = DeadLetterSearch().load(body)
    page = read_page(
        by.database,
        wanted,
        lambda session, limit, before: list_letters(
            session, requested_dead_letters(by.principal, wanted), limit=limit, before=before
        ),
        cursor=BY_ID,
        key_of=lambda letter: letter.id,
        show=show_listed_dead_letter,
    )
    return DeadLetterPage().dump(page)


def count_dead_letters(by: Operator, body: dict[str, Any]) -> Any:
    """Count dead letters by a filter."""
    chosen = requested_dead_letters(by.principal, DeadLetterCount().load(body))
    with by.database.transaction() as session:
        return CountAnswer().dump(count_letters(session, chosen))


def group_dead_letters(by: Operator, body: dict[str, Any]) -> Any:
    """Group dead letters by task and kind of failure, the largest group first."""
    wanted = DeadLetterGroupQuery().load(body)
    page = read_page(
        by.database,
        wanted,
        lambda session, limit, after: list_groups(
            session, requested_dead_letters(by.principal, wanted), limit=limit, after=after
        ),
        cursor=BY_GROUP,
        key_of=GroupPosition.of,
        show=show_dead_letter_group,
    )
    return DeadLetterGroups().dump(page)


def show_dead_letter(by: Operator, _body: dict[str, Any], letter_id: UUID) -> Any:
    """Show a dead letter with its attempts, its traceback and the message."""
    with by.database.transaction() as session:
        letter = get_letter(session, letter_id)
        shown = show_dead_letter_details(session, letter, tracebacks=True, payloads=True)
        return DeadLetterDetails().dump(shown)


def redrive_dead_letter(by: Operator, body: dict[str, Any], letter_id: UUID) -> Any:
    """Queue the job of a dead letter again."""
    args = RedriveRequest().load(body).get("args")
    with by.database.transaction() as session:
        return ListedJob().dump(redrive_one(session, letter_id, actor=by.name, args=args))


def discard_dead_letter(by: Operator, body: dict[str, Any], letter_id: UUID) -> Any:
    """Resolve a dead letter without running its job again."""
    reason = DiscardRequest().load(body)["reason"]
    with by.database.transaction() as session:
        letter = discard_one(session, letter_id, actor=by.name, reason=reason)
        return DeadLetterAnswer().dump(show_listed_dead_letter(letter))


def redrive_dead_letters(by: Operator, body: dict[str, Any]) -> Any:
    """Redrive dead letters by a filter, or count them in a dry run."""
    wanted = RedriveManyRequest().load(body)
    dry_run, rate, limit = wanted.pop("dry_run"), wanted.pop("rate", None), wanted.pop("limit")
    wanted.pop("all", None)
    chosen = requested_dead_letters(by.principal, wanted)
    if dry_run:
        return RedriveManyAnswer().dump(preview_redrive(by.database, chosen))
    if "limit" in body:
        return RedriveManyAnswer().dump(redrive_many(by.database, chosen, actor=by.name, rate=rate, limit=limit))
    return RedriveManyAnswer().dump(redrive_all(by.database, chosen, actor=by.name, rate=rate))
