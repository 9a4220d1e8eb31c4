"""Authenticate requests, and limit their rate."""
