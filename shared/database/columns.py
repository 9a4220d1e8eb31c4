"""The declarative base and the column types that all tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from sqlalchemy import DateTime, MetaData, Text, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column
from uuid_utils.compat import uuid7

SCHEMA: Final = "gristmill"  # every statement names it: a search path belongs to whoever shares the database
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

PrimaryKey = Annotated[UUID, mapped_column(primary_key=True, default=uuid7)]
CreatedAt = Annotated[datetime, mapped_column(server_default=func.clock_timestamp())]


def new_metadata() -> MetaData:
    """Return the metadata of one chain of migrations: the core's, or a plugin's of the platform."""
    return MetaData(schema=SCHEMA, naming_convention=NAMES)


class Base(DeclarativeBase):
    """Base of every table of the platform: text without limits, times with a zone, JSON as jsonb.

    The tables of a plugin have a base of their own, which inherits this one, with other metadata.
    """

    metadata = new_metadata()
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it as a class attribute
        str: Text(),
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
        Any: JSONB(),
    }
