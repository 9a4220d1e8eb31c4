"""HTTP itself: JSON, headers, bodies, cursors."""
