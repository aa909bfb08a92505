"""The Celery app of the workers: ``celery -A workers.app worker``."""

from flowforge.set_up import worker_app

app = worker_app()
