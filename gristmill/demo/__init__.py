"""`gristmill demo`: real jobs of every kind, posted over HTTP and watched to their ends."""
