"""This platform beside other job queues, on the same servers, in the same minutes: `make bench-peers`."""
