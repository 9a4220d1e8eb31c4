"""Make dead jobs: posted over HTTP, and failed as a worker would."""

from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.errors import TransientError
from gristmill.shared.jobs.failure import describe
from gristmill.shared.jobs.moves import claim, kill
from gristmill.shared.states import DeadReason
from tests.integration.ingress.conftest import Headers

ECHO = {"task": "demo.echo", "args": {"message": "hello"}}
PLACE = "/api/v1/dead-letters"


def make_dead(client: FlaskClient, headers: Headers, database: Database, /, **body: object) -> tuple[str, str]:
    """Post a job and let it fail for good; returns its id and that of its letter."""
    answer = client.post("/api/v1/jobs", json=ECHO | body, headers=headers)
    job_id = answer.get_json()["id"]
    with database.transaction() as session:
        [claimed] = claim(session, [UUID(job_id)], worker="w1", lease=9)
    failure = describe(TransientError("server said 451", code="SMTP_451"), task=claimed.task)
    with database.transaction() as session:
        assert kill(session, claimed.id, claimed.attempt, reason=DeadReason.EXHAUSTED, failure=failure)
        query = text("SELECT id FROM gristmill.dead_letters WHERE job_id = :id AND resolution IS NULL")
        return job_id, str(session.execute(query, {"id": job_id}).scalar_one())


def make_malformed(database: Database, raw: bytes) -> str:
    """Write a letter of a message that never was a job."""
    statement = text(
        "INSERT INTO gristmill.dead_letters (id, queue, reason, fingerprint, raw_body, broker) "
        "VALUES (gen_random_uuid(), "
        "'email_queue', 'malformed', 'm', :raw, '{\"x-death\": [{\"reason\": \"rejected\"}]}') RETURNING id"
    )
    with database.transaction() as session:
        return str(session.execute(statement, {"raw": raw}).scalar_one())


def audited(database: Database) -> list[tuple[str, str]]:
    """Who did what, in order."""
    with database.transaction() as session:
        rows = session.execute(text("SELECT actor, action FROM gristmill.audit_log ORDER BY id"))
        return [(row.actor, row.action) for row in rows]
