"""Filters of jobs and dead letters: written once, true of a row in SQL exactly when true of it in Python."""
