"""Code that several parts of the bank use."""
