"""People who sign in: users, passwords, sessions and tokens."""
