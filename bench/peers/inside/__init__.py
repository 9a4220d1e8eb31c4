"""Programs that run inside a peer's own environment: the standard library, the peer, nothing else of this project."""
