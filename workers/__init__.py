"""Celery and kombu: the relay that publishes hints, the workers that run jobs, beat and maintenance."""
