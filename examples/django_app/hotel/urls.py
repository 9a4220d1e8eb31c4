"""The URLs of the hotel."""

from django.urls import path

from bookings.views import book_room

urlpatterns = [path("bookings", book_room)]
