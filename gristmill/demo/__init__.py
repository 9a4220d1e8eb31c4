"""`gristmill demo`: real jobs of every kind, posted over HTTP and followed to their ends."""
