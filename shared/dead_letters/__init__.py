"""Dead letters: jobs that ended without success, and how they are redriven or discarded."""
