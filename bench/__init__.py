"""Measurements on private servers and real processes: `make bench`, or `python -m bench --help`."""
