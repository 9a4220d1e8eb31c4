"""Cancel jobs and redrive dead letters in bulk, within one request."""
