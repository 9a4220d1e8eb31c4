"""Maintenance: repair what a crash left behind."""
