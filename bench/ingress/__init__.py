"""The ingress against what most would build, side by side: `make bench-ingress`."""
