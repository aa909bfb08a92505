"""Inside a Celery worker. Knows no engine."""
