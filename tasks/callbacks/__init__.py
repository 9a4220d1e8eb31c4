"""Callbacks: notify a producer that its job has ended."""
