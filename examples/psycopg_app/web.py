"""The web application, one WSGI function. It needs the database alone: no broker, no Redis, no mail server."""

import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from wsgiref.simple_server import make_server

import psycopg
from marshmallow import ValidationError
from psycopg.errors import CheckViolation, ForeignKeyViolation

from gristmill import enqueue
from models import insert_transfer, withdraw
from settings import database_url
from shared.requests import TransferRequest

Answer = tuple[str, dict[str, Any]]


def transfer_money(url: str, body: bytes) -> Answer:
    """Write a transfer and enqueue its settlement: both, or none of them."""
    try:
        wanted = TransferRequest().loads(body)
    except (ValidationError, ValueError) as error:  # the latter: it is no JSON
        return "422 Unprocessable Content", {"errors": getattr(error, "messages", str(error))}
    try:
        with psycopg.connect(url) as connection:  # its end is the commit; an exception rolls it back
            transfer = insert_transfer(connection, **wanted)
            # By name, so that this process imports no task: the database checks the JSON types of the arguments.
            job = enqueue(connection, "transfer.settle", transfer_id=transfer)
            withdraw(connection, account=wanted["payer"], cents=wanted["cents"])
    except ForeignKeyViolation:
        return "404 Not Found", {"errors": "There is no such account"}
    except CheckViolation:  # neither the transfer nor the job exists
        return "409 Conflict", {"errors": "The account does not hold so much"}
    return "201 Created", {"transfer": transfer, "job": str(job)}


def app(url: str, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request."""
    if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", "/transfers"):
        status, answer = transfer_money(url, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)))
    else:
        status, answer = "404 Not Found", {"errors": "There is POST /transfers alone"}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), partial(app, database_url())).serve_forever()
