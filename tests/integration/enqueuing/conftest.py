"""An application beside the platform, with a task of its own that the database knows."""

from collections.abc import Iterator

import pytest
from marshmallow import Schema, fields

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.declare_tasks import declare_tasks
from gristmill.shared.task import Task, registry, task
from tests import platform_tasks  # noqa: F401  loads the platform's own
from tests.factories import reached
from tests.integration.enqueuing.application import Application, application_in


class InvoiceArgs(Schema):
    number = fields.Integer(required=True)
    to = fields.String(required=True)
    note = fields.String(load_default=None, allow_none=True)
    amount = fields.Decimal(load_default=None, allow_none=True)
    password = fields.String(load_default=None, allow_none=True, metadata={"secret": True})
    lines = fields.List(fields.Dict(), load_default=list)
    is_draft = fields.Boolean(load_default=False)
    rate = fields.Float(load_default=0.5)


@pytest.fixture
def invoice() -> Iterator[Task]:
    """A task of the application's own kind."""

    @task(name="invoice.send", queue="email_queue", args=InvoiceArgs)
    def send(
        ctx: Context,
        *,
        number: int,
        to: str,
        note: str | None,
        amount: object,
        password: str | None,
        lines: list[object],
        is_draft: bool,
        rate: float,
    ) -> dict[str, object]:
        """Send an invoice."""
        return {"number": number, "to": to, "password": password}

    yield send
    registry.remove("invoice.send")


@pytest.fixture
def database(database_url: str, invoice: Task) -> Iterator[Database]:
    """The platform's own view of a database of this test's own, in which all tasks are declared."""
    with reached(database_url, demo_tasks=True) as database:
        declare_tasks(database)
        yield database


@pytest.fixture
def application(database: Database) -> Iterator[Application]:
    with application_in(database.settings.database_url.reveal()) as made:
        yield made
