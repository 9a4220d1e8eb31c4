"""The gristmill command: it sets the platform up, runs it, and carries the private servers of the embedded default."""

__version__ = "0.1.0"
