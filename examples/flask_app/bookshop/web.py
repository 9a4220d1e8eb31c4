"""The web application. It needs the database alone: no broker, no Redis, no mail server."""

import os
from typing import Any

from flask import Flask, abort, request
from marshmallow import Schema, ValidationError, fields
from sqlalchemy import create_engine, make_url, update
from sqlalchemy.orm import Session, sessionmaker

from bookshop.jobs import confirm_order
from bookshop.models import Book, Order
from gristmill import enqueue


class OrderRequest(Schema):
    """The body of a request."""

    book_id = fields.Integer(strict=True, required=True)
    email = fields.Email(required=True)


def create_app(database_url: str | None = None) -> Flask:
    """Make the application.

    Args:
        database_url: of the database that holds the platform's schema, too; the variable DATABASE_URL by default.
    """
    url = make_url(database_url or os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
    engine = create_engine(url)
    sessions = sessionmaker(engine)
    app = Flask(__name__)
    app.extensions["engine"] = engine

    @app.post("/orders")
    def place_order() -> tuple[dict[str, Any], int]:
        try:
            wanted = OrderRequest().load(request.get_json())
        except ValidationError as error:
            return {"errors": error.messages}, 422
        with sessions.begin() as session:  # its end is the commit; an exception, abort() too, rolls it back
            order, job = add_order(session, **wanted)
            answer = {"order": order.id, "job": str(job)}
        return answer, 201

    return app


def add_order(session: Session, *, book_id: int, email: str) -> tuple[Order, Any]:
    """Write an order, enqueue its confirmation, and take a copy off the shelf: all of it, or nothing."""
    if session.get(Book, book_id) is None:
        abort(404, "There is no such book")
    order = Order(book_id=book_id, email=email)
    session.add(order)
    session.flush()  # the row gets its id
    job = enqueue(session, confirm_order, order_id=order.id)
    on_the_shelf = (Book.id == book_id) & (Book.copies > 0)
    taken = session.execute(update(Book).where(on_the_shelf).values(copies=Book.copies - 1).returning(Book.id))
    if taken.first() is None:
        abort(409, "This book is sold out")  # neither the order nor the job will exist
    return order, job
