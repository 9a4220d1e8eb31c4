"""Attempts: claim, run, settle."""
