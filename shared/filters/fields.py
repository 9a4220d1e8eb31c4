"""Fields by which jobs and dead letters can be filtered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as with_default
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.base.principal import ADMIN, OPERATOR
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.filters.kinds import ChoiceKind, IdKind, Kind, NumberKind, TagsKind, TextKind, TimeKind
from gristmill.shared.jobs.models import Job
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import DeadReason, State

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Test = Callable[[Any], "ColumnElement[bool]"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column that can be filtered by.

    Attributes:
        name: in filters; the attribute of an entity has the name of the column.
        scopes: a key needs one of them to filter by this field; with none, any key may.
    """

    name: str
    kind: Kind
    column: Any = with_default(compare=False, repr=False)
    scopes: frozenset[str] = frozenset()

    @property
    def nullable(self) -> bool:
        """True when the field may be empty."""
        return bool(self.column.property.columns[0].nullable)

    def of(self, entity: Any) -> Any:
        """Return the value that `entity` has for the field, None when it is empty."""
        return getattr(entity, self.column.key)

    def where(self, test: Test) -> ColumnElement[bool]:
        """Return the condition that `test` is true of the value; for NULL `test` must be NULL or false."""
        return test(self.column)

    def is_empty(self) -> ColumnElement[bool]:
        """Return the condition that the field is empty."""
        empty: ColumnElement[bool] = self.column.is_(None)
        return empty


@dataclass(frozen=True, slots=True)
class OfItsJob(Field):
    """A column of the job of a dead letter; empty when there is no job."""

    def of(self, entity: Any) -> Any:
        return None if entity.job is None else getattr(entity.job, self.column.key)

    def where(self, test: Test) -> ColumnElement[bool]:
        return DeadLetter.job.has(test(self.column))

    def is_empty(self) -> ColumnElement[bool]:
        return ~self.where(lambda column: column.is_not(None))


Catalogue = dict[str, Field]


def _catalogue(model: type[Job | DeadLetter], kinds: dict[str, Kind]) -> Catalogue:
    return {name: Field(name, kind, getattr(model, name)) for name, kind in kinds.items()}


_WORDS: Final = TextKind()
_TIME: Final = TimeKind()
_ID: Final = IdKind()
_QUEUE: Final = ChoiceKind(tuple(QUEUES))
_SEES_ALL: Final = frozenset({ADMIN, OPERATOR})

JOBS: Final = _catalogue(
    Job,
    {
        "id": _ID,
        "task": _WORDS,
        "queue": _QUEUE,
        "state": ChoiceKind(tuple(State)),
        "priority": ChoiceKind(("normal", "high")),
        "attempt": NumberKind(),
        "max_attempts": NumberKind(),
        "tags": TagsKind(),
        "unique_key": _WORDS,
        "worker": _WORDS,
        "parent_id": _ID,
        "created_at": _TIME,
        "run_at": _TIME,
        "expires_at": _TIME,
        "started_at": _TIME,
        "finished_at": _TIME,
        "cancel_requested_at": _TIME,
    },
) | {"producer_id": Field("producer_id", _ID, Job.producer_id, _SEES_ALL)}

LETTERS: Final = _catalogue(
    DeadLetter,
    {
        "id": _ID,
        "job_id": _ID,
        "task": _WORDS,
        "queue": _QUEUE,
        "reason": ChoiceKind(tuple(DeadReason)),
        "fingerprint": _WORDS,
        "error_type": _WORDS,
        "error_code": _WORDS,
        "error_message": _WORDS,
        "created_at": _TIME,
        "resolution": ChoiceKind(("redriven", "discarded")),
        "resolved_at": _TIME,
        "resolved_by": _WORDS,
    },
) | {
    "attempt": Field("attempt", NumberKind(), DeadLetter.attempts),  # the number of the last one, as the API shows it
    "tags": OfItsJob("tags", TagsKind(), Job.tags),
    "producer_id": OfItsJob("producer_id", _ID, Job.producer_id, _SEES_ALL),
}
