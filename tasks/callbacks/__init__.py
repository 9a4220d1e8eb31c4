"""Callbacks: tell a producer that its job has ended."""
