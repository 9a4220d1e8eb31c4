"""Connections to Postgres, statements on the hot path, and the column types that all tables share."""
