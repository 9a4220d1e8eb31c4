"""The view of the hotel. It needs the database alone: no broker, no Redis, no mail server."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST
from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length

from bookings.jobs import confirm_booking
from bookings.models import Booking, Night
from gristmill import enqueue


class HouseFullError(Exception):
    """No room is free on this night."""


class BookingRequest(Schema):
    """The body of a request."""

    guest = fields.String(validate=Length(1, 200), required=True)
    email = fields.Email(required=True)
    night = fields.Date(required=True)


@require_POST
def book_room(request: HttpRequest) -> JsonResponse:
    """Book a room."""
    try:
        wanted = BookingRequest().loads(request.body)
    except (ValidationError, ValueError) as error:  # the latter: it is no JSON
        return JsonResponse({"errors": getattr(error, "messages", str(error))}, status=422)
    try:
        booking, job = add_booking(**wanted)
    except HouseFullError as error:
        return JsonResponse({"errors": str(error)}, status=409)
    return JsonResponse({"booking": booking.pk, "job": str(job)}, status=201)


@transaction.atomic  # its end is the commit; an exception rolls it back
def add_booking(*, night: Any, **values: Any) -> tuple[Booking, UUID]:
    """Write a booking, enqueue its confirmation, and take a room: all of it, or nothing.

    Raises:
        HouseFullError: no room is free.
    """
    chosen, _ = Night.objects.get_or_create(date=night)
    booking = Booking.objects.create(night=chosen, **values)
    job = enqueue(connection, confirm_booking, booking_id=booking.pk)
    if not Night.objects.filter(date=night, rooms__gt=0).update(rooms=F("rooms") - 1):
        message = f"No room is free on {night}"
        raise HouseFullError(message)  # neither the booking nor the job will exist
    return booking, job
