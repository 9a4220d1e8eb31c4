"""Compare the cost of the platform's statements with few and with many jobs in the tables: `make bench-growth`."""
