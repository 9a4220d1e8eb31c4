"""Settings of Django. Nothing of Gristmill is installed as an app, and nothing of it is set."""

import os

from django.core.management.utils import get_random_secret_key

from hotel.database import database

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "hotel.urls"
INSTALLED_APPS = ["bookings"]
MIDDLEWARE: list[str] = []  # its one view takes JSON, no form and no session
DATABASES = {
    "default": database(os.environ.get("DATABASE_URL", "postgresql:///hotel"))
}  # the platform's schema is in it, too
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
