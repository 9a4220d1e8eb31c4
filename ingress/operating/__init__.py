"""Act on jobs and dead letters by a filter, within one request."""
