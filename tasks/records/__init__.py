"""Records of streams, their measures, and hourly statistics."""
