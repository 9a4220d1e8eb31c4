"""Audit: a log of the acts of people and producers."""
