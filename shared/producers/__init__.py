"""Applications that post jobs: their keys, quotas and webhook secrets."""
