"""What the platform's statements cost with few and with many jobs in the tables: `make bench-growth`."""
