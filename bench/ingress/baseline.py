"""The naive ingress: Flask, flask-smorest, a row by SQLAlchemy, and Celery's `.delay()` with publisher confirms.

It asks for no key, keeps no idempotency keys and loses a job when it dies between its two writes.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from celery import Celery
from flask import Flask
from flask_smorest import Api, Blueprint  # type: ignore[import-untyped]  # ships no types
from marshmallow import Schema, fields
from marshmallow.validate import Length
from sqlalchemy import create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from gristmill.shared.database.connect import driver_url

DATABASE: Final = "BASELINE_DATABASE_URL"
BROKER: Final = "BASELINE_BROKER_URL"
THREADS: Final = "BASELINE_THREADS"

celery = Celery("baseline", broker=os.environ.get(BROKER))
celery.conf.broker_transport_options = {"confirm_publish": True}
celery.conf.task_ignore_result = True


class Base(DeclarativeBase):
    """The baseline's own tables."""


class PlainJob(Base):
    """A job, as one would write it down first."""

    __tablename__ = "baseline_jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    task: Mapped[str]
    args: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(default="queued")
    created_at: Mapped[datetime]


class EchoArgs(Schema):
    message = fields.String(required=True, validate=Length(max=10_000))


class JobIn(Schema):
    task = fields.String(required=True, validate=Length(1, 200))
    args = fields.Nested(EchoArgs, required=True)


class JobOut(Schema):
    id = fields.UUID()
    task = fields.String()
    state = fields.String()
    created_at = fields.AwareDateTime()


@celery.task(name="baseline.run")
def run_job(job_id: str) -> None:
    """Nobody runs it: only what it costs to post is measured."""


def make_app() -> Flask:
    """Return the app; gunicorn calls it in each of its processes."""
    app = Flask("baseline")
    app.config.update(API_TITLE="Baseline", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    engine = create_engine(driver_url(os.environ[DATABASE]), pool_size=int(os.environ[THREADS]))
    Base.metadata.create_all(engine)
    jobs = Blueprint("jobs", __name__)

    @jobs.route("/jobs", methods=["POST"])
    @jobs.arguments(JobIn)
    @jobs.response(202, JobOut)
    def post_job(wanted: dict[str, Any]) -> PlainJob:
        with Session(engine, expire_on_commit=False) as session:
            job = PlainJob(task=wanted["task"], args=wanted["args"], created_at=datetime.now(UTC))
            session.add(job)
            session.commit()
        run_job.delay(str(job.id))
        return job

    Api(app).register_blueprint(jobs)
    return app
