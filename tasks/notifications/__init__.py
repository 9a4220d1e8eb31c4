"""Notifications, on the channels that a producer names."""
