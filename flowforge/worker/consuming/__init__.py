"""Celery's consumer: what it leaves out, its limits, and whether it must see each invocation."""
