"""Make the schema of the platform, and keep it out of the search path of a role of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from gristmill.migrations.failures import MAY_NOT, sqlstate
from gristmill.shared.database.columns import SCHEMA
from gristmill.shared.errors import MigrationError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_IS_THERE: Final = text("SELECT to_regnamespace(:schema) IS NOT NULL")
# A role called gristmill finds this schema by the `"$user"` of the default search path: a table of the team, whose
# statements name no schema, would be made here, and its own `users` would be ours.
_PATH_WITHOUT_USER: Final = text(
    r"""
    SELECT coalesce(nullif(regexp_replace(current_setting('search_path'), '"\$user"\s*,?\s*', ''), ''), 'public'),
           quote_ident(current_database())
    WHERE current_user = :schema AND current_setting('search_path') LIKE '%"$user"%'
    """
)
_NAMES: Final = text("SELECT quote_ident(current_user), quote_ident(current_database())")


def schema_statements(connection: Connection) -> list[str]:
    """Return the statements that make the schema, and that keep it out of the role's search path; none if both are."""
    statements = []
    if not connection.execute(_IS_THERE, {"schema": SCHEMA}).scalar_one():
        statements.append(f"CREATE SCHEMA {SCHEMA}")
    for path, database in connection.execute(_PATH_WITHOUT_USER, {"schema": SCHEMA}):
        statements.append(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET search_path = {path}")
        statements.append(f"SET search_path = {path}")
    return statements


def make_schema(connection: Connection) -> None:
    """Create the schema of the platform, if there is none, and keep it out of the search path of the role.

    Raises:
        MigrationError: the role may not; says what to run.
    """
    try:
        for statement in schema_statements(connection):
            connection.exec_driver_sql(statement)
        connection.commit()
    except ProgrammingError as error:
        if sqlstate(error) != MAY_NOT:
            raise
        connection.rollback()
        role, database = connection.execute(_NAMES).one()
        msg = (
            f"The role {role} may not create the schema {SCHEMA}. Let the owner of the database run "
            f"`GRANT CREATE ON DATABASE {database} TO {role}`, or `CREATE SCHEMA {SCHEMA} AUTHORIZATION {role}`. "
            "Nothing was applied"
        )
        raise MigrationError(msg) from error
