"""People who all sign in at the same time, again and again, and come again when they are told to."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

from uuid_utils.compat import uuid7

from gristmill.shared.people.passwords import hash_password
from gristmill.shared.people.queries import insert_user

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

_PASSWORD: Final = "Correct-horse-1"  # noqa: S105  of nobody but these
_HEADERS: Final = {"Content-Type": "application/json"}


def make_people(database: Database, count: int) -> list[str]:
    """Write people who can sign in, and return their addresses."""
    hashed = hash_password(_PASSWORD)
    emails = [f"bench-{number}@example.com" for number in range(count)]
    with database.transaction() as session:
        for email in emails:
            insert_user(
                session, user_id=uuid7(), email=email, password_hash=hashed, full_name="Measured", role="member"
            )
    return emails


class SignIns:
    """Keeps one person for each address at it, from entering until leaving, each on a connection of their own.

    Args:
        emails: of `make_people`.
        from_everywhere: each request says that it comes from another address, through a proxy that is trusted.

    Attributes:
        statuses: how often each was answered.
    """

    def __init__(self, host: str, port: int, emails: list[str], *, from_everywhere: bool) -> None:
        self.statuses: Counter[int] = Counter()
        self._address = (host, port)
        self._from_everywhere = from_everywhere
        self._done = threading.Event()
        self._people = [threading.Thread(target=self._sign_in, args=(email,), name=email) for email in emails]

    def __enter__(self) -> Self:
        for person in self._people:
            person.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for person in self._people:
            person.join()

    def _sign_in(self, email: str) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        body = json.dumps({"email": email, "password": _PASSWORD})
        while not self._done.is_set():
            headers = _HEADERS | {"X-Forwarded-For": _some_address()} if self._from_everywhere else _HEADERS
            connection.request("POST", "/api/v1/auth/login", body, headers)
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
            pause = float(answer.headers.get("Retry-After", 0))
            if pause:
                connection.close()  # the server does not keep it for so long; the next request opens another
            self._done.wait(pause)
        connection.close()


def _some_address() -> str:
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
