"""Commands for operators, which work on a platform elsewhere by its API, and on the server in its database."""
