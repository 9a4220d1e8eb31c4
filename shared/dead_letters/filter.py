"""Filter dead letters: the fields that they have, and the common filters of query parameters and command options."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.filters.comparisons import Equal, Null
from gristmill.shared.filters.everyday import created_terms, equal_terms
from gristmill.shared.filters.fields import ID, QUEUE, SEES_ALL, TEXT, TIME, Field, Test, catalogue_of
from gristmill.shared.filters.kinds import ChoiceKind, NumberKind, TagsKind
from gristmill.shared.filters.specification import And, Specification
from gristmill.shared.jobs.models import Job
from gristmill.shared.states import DeadReason

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Resolution = Literal["open", "redriven", "discarded", "all"]


@dataclass(frozen=True, slots=True)
class OfItsJob(Field):
    """A column of the job of a dead letter; empty when there is no job."""

    def of(self, entity: Any) -> Any:
        return None if entity.job is None else getattr(entity.job, self.column.key)

    def where(self, test: Test) -> ColumnElement[bool]:
        return DeadLetter.job.has(test(self.column))

    def is_empty(self) -> ColumnElement[bool]:
        return ~self.where(lambda column: column.is_not(None))


LETTERS: Final = catalogue_of(
    DeadLetter,
    {
        "id": ID,
        "job_id": ID,
        "task": TEXT,
        "queue": QUEUE,
        "reason": ChoiceKind(tuple(DeadReason)),
        "fingerprint": TEXT,
        "error_type": TEXT,
        "error_code": TEXT,
        "error_message": TEXT,
        "created_at": TIME,
        "resolution": ChoiceKind(("redriven", "discarded")),
        "resolved_at": TIME,
        "resolved_by": TEXT,
    },
) | {
    "attempt": Field("attempt", NumberKind(), DeadLetter.attempts),  # the number of the last one, as the API shows it
    "tags": OfItsJob("tags", TagsKind(), Job.tags),
    "producer_id": OfItsJob("producer_id", ID, Job.producer_id, SEES_ALL),
}

OPEN: Final = Null(LETTERS["resolution"], True)


def choose_letters(
    *,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    resolution: Resolution = "open",
    **equal: str | UUID | None,
) -> Specification:
    """Return the filter of dead letters; None means any.

    Args:
        resolution: only open ones by default.
        equal: names fields: task, queue, reason, fingerprint, producer_id (that of the letter's job).
    """
    resolved: tuple[Specification, ...] = ()
    if resolution != "all":
        resolved = (OPEN if resolution == "open" else Equal(LETTERS["resolution"], resolution),)
    return And(
        (*equal_terms(LETTERS, equal), *created_terms(LETTERS["created_at"], created_after, created_before), *resolved)
    )
