"""The Celery app of this repository's fleet: ``celery -A workers.app worker``."""

from flowforge.app import app

__all__ = ["app"]
