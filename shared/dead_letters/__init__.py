"""Jobs that ended without success: their evidence, and the ways back."""
