"""Errors of the generator, which the command shows as plain sentences."""

from __future__ import annotations

from gristmill.shared.errors import GristmillError


class GenerateError(GristmillError):
    """A name, a folder or a file does not allow what was asked for; nothing was written."""

    code = "GENERATE_001"
