"""The error of a test that asks for what the platform would not do."""

from __future__ import annotations


class MillError(AssertionError):
    """A test asks for what cannot be, or something that it waits for does not come; the message says what to do."""
