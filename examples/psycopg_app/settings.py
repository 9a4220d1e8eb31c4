"""Settings of the bank, from the environment."""

import os


def database_url() -> str:
    """Return the URL of the database that holds the platform's schema, too.

    Raises:
        KeyError: the variable DATABASE_URL is not set.
    """
    return os.environ["DATABASE_URL"]
