"""Joining a Celery app, start, and shutdown at a safe moment."""
