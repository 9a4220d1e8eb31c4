"""People in the database, as `user.create` leaves them, and what they are given when they sign in."""

from functools import cache
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.people.passwords import hash_password
from gristmill.shared.people.queries import insert_user
from tests.integration.ingress.conftest import Headers

PASSWORD = "Lovelace1"
ADA = "ada@example.com"


@cache
def _hashed() -> str:
    return hash_password(PASSWORD)


def make_person(database: Database, email: str = ADA, *, role: str = "member") -> UUID:
    with database.transaction() as session:
        made = insert_user(
            session, user_id=uuid7(), email=email, password_hash=_hashed(), full_name="Ada Lovelace", role=role
        )
    assert made is not None
    return made


def sign_in(client: FlaskClient, email: str = ADA) -> dict[str, Any]:
    """Sign in and return the answer."""
    answer = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    tokens: dict[str, Any] = answer.get_json()
    return tokens


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


def signed_in(client: FlaskClient, database: Database, role: str) -> Headers:
    """Return the headers of a new person of this role."""
    email = f"{role}@example.com"
    make_person(database, email, role=role)
    return bearer(sign_in(client, email)["access_token"])


# The ways in which people and sessions end, here all of them at once.
ENDS = {
    "suspended": "UPDATE gristmill.users SET status = 'suspended'",
    "inactive": "UPDATE gristmill.users SET status = 'inactive'",
    "deleted": "UPDATE gristmill.users SET deleted_at = clock_timestamp()",
    "over": "UPDATE gristmill.sessions SET expires_at = clock_timestamp()",
    "revoked": "UPDATE gristmill.sessions SET revoked_at = clock_timestamp()",
    "forgotten": "DELETE FROM gristmill.sessions",
}
