"""Follow jobs: long polls and server-sent events."""
