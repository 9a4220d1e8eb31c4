"""Give every request its id, security headers and a time measurement, as WSGI middleware.

Plain WSGI around Flask: hooks of Flask that do the same take a quarter of the time of a POST.
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
# Keys in the WSGI environment, by which one part of the ingress passes a value to another.
RULE: Final = "gristmill.rule"  # the URL rule that the request matches
MORE_HEADERS: Final = "gristmill.headers"  # further headers of the answer, whatever it is
_SANE: Final = re.compile(r"[\x21-\x7e]{1,128}")

Count = Callable[[str, str | None, str, float], None]


class EveryRequest:
    """The middleware.

    Args:
        app: the WSGI app inside.
        count: called with the method, the matched rule, the status and the seconds until the answer.
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
            present = {name for name, _ in headers}
            more = [each for each in PROTECTION if each[0] not in present]
            further = [each for each in environ.get(MORE_HEADERS, ()) if each[0] not in present]
            return start_response(status, [*headers, *more, *further, (HEADER, request_id)], *error)

        token = REQUEST_ID.set(request_id)
        try:
            return self._app(environ, start)
        finally:
            REQUEST_ID.reset(token)
