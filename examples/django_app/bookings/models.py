"""The tables of the hotel. `bookings/jobs.py` names them `bookings_night` and `bookings_booking`, as Django does."""

from django.db import models


class Night(models.Model):
    """A night, and how many rooms are free."""

    date = models.DateField(primary_key=True)
    rooms = models.PositiveIntegerField(default=3)

    def __str__(self) -> str:
        """Return the date."""
        return str(self.date)


class Booking(models.Model):
    """A room for a guest."""

    night = models.ForeignKey(Night, on_delete=models.PROTECT)
    guest = models.CharField(max_length=200)
    email = models.EmailField()
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the guest and the night."""
        return f"{self.guest}, {self.night_id}"
