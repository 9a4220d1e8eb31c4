"""The tables of the bank, which stand in the schema `public`, and the statements that the web application executes."""

from pathlib import Path
from typing import Any

import psycopg

SCHEMA = Path(__file__).with_name("schema.sql")


def create_tables(url: str) -> None:
    """Make the tables and the first accounts; harmless where they are."""
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA.read_bytes())


def insert_transfer(connection: psycopg.Connection[Any], *, payer: str, payee: str, cents: int) -> int:
    """Write a transfer, and return its id.

    Raises:
        psycopg.errors.ForeignKeyViolation: there is no such account.
    """
    statement = "INSERT INTO transfers (payer, payee, cents) VALUES (%s, %s, %s) RETURNING id"
    row = connection.execute(statement, (payer, payee, cents)).fetchone()
    return int(row[0])


def withdraw(connection: psycopg.Connection[Any], *, account: str, cents: int) -> None:
    """Take money from an account.

    Raises:
        psycopg.errors.CheckViolation: it does not hold so much.
    """
    connection.execute("UPDATE accounts SET cents = cents - %s WHERE name = %s", (cents, account))
