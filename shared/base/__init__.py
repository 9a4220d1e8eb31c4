"""Foundations of every process: settings, logs, error reports, sealing, circuit breaker, dying with the parent."""
