"""Behaviour of the shop, a sentence each."""

from flask.testing import FlaskClient
from sqlalchemy import func, select

from bookshop.models import Order
from gristmill.testing import Mill

MIDDLEMARCH, SOLD_OUT = 1, 2


def orders(mill: Mill) -> int:
    with mill.session() as session:
        return session.scalar(select(func.count()).select_from(Order)) or 0


def confirmed(mill: Mill) -> int:
    with mill.session() as session:
        return session.scalar(select(func.count(Order.confirmed_at))) or 0


def test_an_order_is_confirmed_by_its_job(mill: Mill, web: FlaskClient) -> None:
    placed = web.post("/orders", json={"book_id": MIDDLEMARCH, "email": "ada@example.com"})
    assert placed.status_code == 201
    (job,) = mill.enqueued("order.confirm", order_id=placed.json["order"])
    assert (str(job.id), confirmed(mill)) == (placed.json["job"], 0)
    assert [ended.state for ended in mill.drain()] == ["succeeded", "succeeded"]
    assert confirmed(mill) == 1
    assert [mail["subject"] for mail in mill.mails()] == ["Your order of Middlemarch"]


def test_a_rollback_leaves_neither_the_order_nor_the_job(mill: Mill, web: FlaskClient) -> None:
    refused = web.post("/orders", json={"book_id": SOLD_OUT, "email": "ada@example.com"})
    assert refused.status_code == 409
    assert (orders(mill), mill.enqueued()) == (0, [])


def test_a_wrong_address_is_refused_before_anything_is_written(mill: Mill, web: FlaskClient) -> None:
    refused = web.post("/orders", json={"book_id": MIDDLEMARCH, "email": "ada"})
    assert refused.status_code == 422
    assert (orders(mill), mill.enqueued()) == (0, [])


def test_each_morning_the_orders_of_the_last_day_are_reported(mill: Mill, web: FlaskClient) -> None:
    web.post("/orders", json={"book_id": MIDDLEMARCH, "email": "ada@example.com"})
    mill.drain()
    mill.run_until(hours=24)
    subjects = [mail["subject"] for mail in mill.mails()]
    assert subjects == ["Your order of Middlemarch", "Orders since yesterday: 1"]
