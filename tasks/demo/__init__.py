"""Tasks for trying the platform out."""
