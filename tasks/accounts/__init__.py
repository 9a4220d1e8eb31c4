"""Accounts of people: create one, and verify its mail address."""
