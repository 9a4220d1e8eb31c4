"""The HTTP server: it checks requests and writes jobs to Postgres. It has no connection to the broker."""
