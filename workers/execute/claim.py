"""Claim the jobs of a hint that are due: the first transaction of an attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.shared.base.outages import patiently
from gristmill.shared.jobs import moves
from gristmill.shared.task import registry
from gristmill.workers.execute.unclaimed import settle_unclaimed

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.database.connect import Database


def claim(database: Database, ids: list[UUID], *, worker: str, queue: str) -> list[moves.Claimed]:
    """Begin an attempt of each of `ids` that is due, and settle those that cannot be claimed.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database stayed away; nothing is lost, the hint has to come again.
    """

    def act() -> list[moves.Claimed]:
        with database.autocommit() as session:
            return moves.claim(session, ids, worker=worker, lease=database.settings.lease, durable=registry.outside)

    claimed = patiently(act)
    if len(claimed) < len(ids):
        settle_unclaimed(database, set(ids) - {job.id for job in claimed}, queue=queue)
    return claimed
