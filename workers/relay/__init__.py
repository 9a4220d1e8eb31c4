"""The relay: from the outbox to the broker."""
