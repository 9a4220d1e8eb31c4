"""Back ends of the command: the HTTP API of a platform elsewhere, or the database on its server."""
