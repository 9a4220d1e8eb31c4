"""The channels of a notification: one interface, and one module for each channel."""
