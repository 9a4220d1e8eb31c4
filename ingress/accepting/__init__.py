"""Accept jobs: from a posted body to a committed row."""
