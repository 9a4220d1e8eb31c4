"""Notifications, on the channels that a producer chooses."""
