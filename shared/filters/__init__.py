"""Filters as one thing: written once, true of a row in SQL exactly when true of it in Python."""
