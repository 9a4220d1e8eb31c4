"""The app, as Django knows it."""

from django.apps import AppConfig


class BookingsConfig(AppConfig):
    """Bookings of rooms."""

    name = "bookings"
