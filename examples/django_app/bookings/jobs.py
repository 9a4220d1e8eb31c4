"""The tasks of the hotel. Workers run them, and load nothing of Django.

They work on `ctx.session`, whose commit is also the end of the job, by SQL on the tables that Django made. The ORM
would write through a connection of Django's own: what it commits stays when the attempt fails, and the next repeats it.
"""

from marshmallow import Schema, fields
from sqlalchemy import text

from gristmill import Context, Discard, RetryPolicy, task

CONFIRM = text(
    "UPDATE bookings_booking SET confirmed_at = now() WHERE id = :id RETURNING guest, email, night_id::text AS night"
)
FORGET = text("DELETE FROM bookings_booking WHERE night_id < current_date - :days RETURNING id")


class ConfirmBookingArgs(Schema):
    """The booking to confirm."""

    booking_id = fields.Integer(strict=True, required=True)


class ForgetBookingsArgs(Schema):
    """The time for which bookings are kept."""

    days = fields.Integer(strict=True, load_default=30)


@task(name="booking.confirm", queue="bookings_queue", args=ConfirmBookingArgs, retry=RetryPolicy(max_attempts=5))
def confirm_booking(ctx: Context, *, booking_id: int) -> str | Discard:
    """Confirm a booking, and mail that.

    Repeating is harmless: the row, the job of the mail and the end of this job are one commit.
    """
    booking = ctx.session.execute(CONFIRM, {"id": booking_id}).one_or_none()
    if booking is None:
        return Discard(f"the booking {booking_id} was deleted")
    context = {"guest": booking.guest, "night": booking.night}
    ctx.enqueue("email.send", to=booking.email, template="booking_confirmed", context=context)
    return booking.night


@task(name="booking.forget", queue="bookings_queue", args=ForgetBookingsArgs, retry=RetryPolicy(max_attempts=5))
def forget_bookings(ctx: Context, *, days: int) -> int:
    """Delete the bookings of nights that are long past."""
    return len(ctx.session.execute(FORGET, {"days": days}).all())
