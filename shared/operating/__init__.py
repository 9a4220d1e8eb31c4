"""Look at the platform and act on it: lists, depths, why a job waits, pause, cancel, run now."""
