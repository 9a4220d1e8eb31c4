"""Make the tables: `python -m models`."""

from models import create_tables
from settings import database_url

create_tables(database_url())
