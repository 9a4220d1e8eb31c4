"""Behaviour of the bank, a sentence each."""

import json
from typing import Any

from sqlalchemy import text

import settings
import shared
import tasks
from gristmill.testing import Mill
from web import transfer_money


def transfer(mill: Mill, **values: Any) -> tuple[str, dict[str, Any]]:
    return transfer_money(mill.url, json.dumps({"payer": "ada", "payee": "bob", "cents": 2500} | values).encode())


def accounts(mill: Mill) -> dict[str, int]:
    with mill.session() as session:
        return {row.name: row.cents for row in session.execute(text("SELECT name, cents FROM accounts"))}


def count(mill: Mill, table: str) -> int:
    with mill.session() as session:
        return session.scalar(text(f"SELECT count(*) FROM {table}"))


def test_a_transfer_is_settled_by_its_job(mill: Mill) -> None:
    status, answer = transfer(mill)
    assert status == "201 Created"
    (job,) = mill.enqueued("transfer.settle", transfer_id=answer["transfer"])
    assert str(job.id) == answer["job"]
    assert accounts(mill) == {"ada": 7500, "bob": 0}
    assert [ended.state for ended in mill.drain()] == ["succeeded"]
    assert accounts(mill) == {"ada": 7500, "bob": 2500}


def test_a_rollback_leaves_neither_the_transfer_nor_the_job(mill: Mill) -> None:
    assert transfer(mill, cents=10_001)[0] == "409 Conflict"
    assert (count(mill, "transfers"), mill.enqueued()) == (0, [])


def test_a_second_attempt_pays_nothing_more(mill: Mill) -> None:
    transfer(mill)
    mill.drain()
    mill.run("transfer.settle", transfer_id=1)
    assert accounts(mill) == {"ada": 7500, "bob": 2500}


def test_each_night_the_balances_are_noted(mill: Mill) -> None:
    mill.run_until(hours=24)
    assert count(mill, "balances") == 2


def test_the_packages_of_this_folder_are_not_those_of_the_platform() -> None:
    from gristmill import shared as platforms_shared
    from gristmill import tasks as platforms_tasks

    assert (shared, tasks) != (platforms_shared, platforms_tasks)
    assert not settings.__name__.startswith("gristmill")
