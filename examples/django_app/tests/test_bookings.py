"""Behaviour of the hotel, a sentence each."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from bookings.models import Booking
from gristmill.testing import Mill


def book(web: Client, **values: Any) -> HttpResponse:
    body = {"guest": "Ada", "email": "ada@example.com", "night": "2030-05-01"} | values
    return web.post("/bookings", body, content_type="application/json")


def test_a_booking_is_confirmed_by_its_job(mill: Mill, web: Client) -> None:
    booked = book(web)
    assert booked.status_code == 201
    (job,) = mill.enqueued("booking.confirm", booking_id=booked.json()["booking"])
    assert str(job.id) == booked.json()["job"]
    assert [ended.state for ended in mill.drain()] == ["succeeded", "succeeded"]
    assert Booking.objects.get().confirmed_at is not None
    assert [mail["subject"] for mail in mill.mails()] == ["Your room on 2030-05-01"]


def test_a_rollback_leaves_neither_the_booking_nor_the_job(mill: Mill, web: Client) -> None:
    answers = [book(web).status_code for _ in range(4)]
    assert answers == [201, 201, 201, 409]
    assert (Booking.objects.count(), len(mill.enqueued("booking.confirm"))) == (3, 3)


def test_a_wrong_address_is_refused_before_anything_is_written(mill: Mill, web: Client) -> None:
    assert book(web, email="ada").status_code == 422
    assert (Booking.objects.count(), mill.enqueued()) == (0, [])


def test_each_night_the_bookings_of_the_past_are_forgotten(mill: Mill, web: Client) -> None:
    book(web, night="2001-01-01")
    mill.drain()
    mill.run_until(hours=24)
    assert Booking.objects.count() == 0
