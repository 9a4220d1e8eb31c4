"""The tasks of the bank."""

from tasks import balances, transfers

__all__ = ["balances", "transfers"]
