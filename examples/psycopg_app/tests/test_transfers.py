"""Behaviour of the bank, a sentence each."""

import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text

import settings
import shared
import tasks
from gristmill.testing import Mill
from web import transfer_money

HERE = Path(__file__).parents[1]


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


def test_the_packages_of_this_folder_are_not_those_of_the_platform(mill: Mill) -> None:
    transfer(mill)
    mill.drain()
    for name, own in {"settings": settings, "shared": shared, "tasks": tasks}.items():
        assert Path(own.__file__).is_relative_to(HERE)
        assert sys.modules[f"gristmill.{name}" if name != "settings" else "gristmill.shared.settings"] is not own
