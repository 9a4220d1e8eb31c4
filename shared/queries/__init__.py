"""Every SQL statement of the platform: plain functions, session first, never a commit."""
