"""Celery and its processes: the app, the consumer, workers, beat and Flower."""
