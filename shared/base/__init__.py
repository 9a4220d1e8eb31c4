"""What every process needs, whatever it does: logs, error reports, seals, breakers, and ending with the parent."""
