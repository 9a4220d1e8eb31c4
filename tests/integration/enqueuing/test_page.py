"""The examples of docs/enqueue-from-your-application.md work as they stand."""

import ast
import asyncio
import inspect
import re
from contextlib import closing
from types import CodeType
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gristmill.shared.enqueuing import refusals
from tests.integration.enqueuing.adapters import django_connection, require
from tests.integration.enqueuing.application import PAGE, Application, sql_blocks


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = {"schema": "shop"}  # noqa: RUF012  SQLAlchemy reads it as a class attribute
    number: Mapped[int] = mapped_column(primary_key=True)


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_in_sql_work_with_the_two_grants(application: Application) -> None:
    grants, *examples = sql_blocks()
    assert "shop_app" in grants
    for example in examples:
        of_the_owner = "FROM gristmill." in example
        url = application.owner_url if of_the_owner else application.url
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(example)
            assert not of_the_owner or cursor.rowcount > 0
    assert application.orders() == [7, 9]
    assert [args["number"] for _, args in application.jobs()] == [7, 8, 9]
    later = application.rows("SELECT run_at - created_at, unique_key, tags FROM gristmill.jobs WHERE unique_key <> ''")
    assert [(str(delay), key, tags) for delay, key, tags in later] == [("0:10:00", "order 8", ["orders"])]


@pytest.mark.usefixtures("invoice")
def test_the_examples_in_python_work(application: Application) -> None:
    require("Django psycopg asyncpg")
    import psycopg

    names: dict[str, Any] = {
        "engine": create_engine(application.url.replace("postgresql", "postgresql+psycopg2")),
        "Order": Order,
        "AsyncSession": AsyncSession,
        "psycopg": psycopg,
        "url": application.url,
    }
    with django_connection(application.url):
        names["DjangoOrder"] = django_order()
        for block in python_blocks():
            execute(block, names)
    names["engine"].dispose()
    assert application.orders() == [7, 8, 9, 10]
    assert [args["number"] for _, args in application.jobs()] == [7, 8, 9, 10]


def execute(block: str, names: dict[str, Any]) -> None:
    """Execute an example of the page, which may await."""
    code: CodeType = compile(block, PAGE.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def execute_and_await() -> None:
        names["async_engine"] = create_async_engine(names["url"].replace("postgresql", "postgresql+asyncpg"))
        await eval(code, names)  # noqa: S307  the page's own text
        await names["async_engine"].dispose()

    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(execute_and_await())
    else:
        exec(code, names)  # noqa: S102  the same


def django_order() -> Any:
    from django.db import models

    class DjangoOrder(models.Model):  # noqa: DJ008  nobody reads it
        number = models.IntegerField(primary_key=True)

        class Meta:
            app_label = "shop"
            managed = False
            db_table = 'shop"."orders'

    return DjangoOrder


def test_each_state_that_python_knows_is_in_the_table_of_the_page() -> None:
    told = set(re.findall(r"`(GM\d{3}|[0-9][0-9A-Z]{4})`", PAGE.read_text()))
    assert told == {*refusals._OURS, *refusals._BUSY, *refusals._CURES} - {"42P01"}
