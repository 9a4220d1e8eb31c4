"""Enqueue from an application that exists: on its own session or connection, by a function of the database."""
