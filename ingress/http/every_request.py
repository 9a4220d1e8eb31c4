"""What is done for every request, whatever becomes of it: its id, the headers that protect, its time.

It stands around Flask as plain WSGI: hooks of Flask that do the same take a quarter of the time of a POST.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from uuid_utils.compat import uuid7

from gristmill.ingress.http.security_headers import PROTECTION
from gristmill.shared.base.logging import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER: Final = "X-Request-ID"
# Where a request carries these, from one part of the ingress to another.
RULE: Final = "gristmill.rule"  # the route that it matches, as it is written
MORE_HEADERS: Final = "gristmill.headers"  # of its answer, whatever that is
_SANE: Final = re.compile(r"[\x21-\x7e]{1,128}")

Count = Callable[[str, str | None, str, float], None]


class EveryRequest:
    """The WSGI app around another.

    Args:
        app: the other.
        count: told of every request its method, the route it matched, its status and the seconds until the answer.
    """

    def __init__(self, app: WSGIApplication, count: Count) -> None:
        self._app = app
        self._count = count

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began_at = time.perf_counter()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _SANE.fullmatch(given) else str(uuid7())

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self._count(environ["REQUEST_METHOD"], environ.get(RULE), status[:3], time.perf_counter() - began_at)
            there = {name for name, _ in headers}
            more = [each for each in PROTECTION if each[0] not in there]
            told = [each for each in environ.get(MORE_HEADERS, ()) if each[0] not in there]
            return start_response(status, [*headers, *more, *told, (HEADER, request_id)], *error)

        token = REQUEST_ID.set(request_id)
        try:
            return self._app(environ, start)
        finally:
            REQUEST_ID.reset(token)
