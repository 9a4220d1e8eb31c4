"""The life of a job in Postgres: accepted, hinted, claimed, moved from state to state."""
