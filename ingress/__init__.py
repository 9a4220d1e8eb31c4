"""The HTTP door: it checks a request, writes a job to Postgres, and answers. It holds no broker connection."""
