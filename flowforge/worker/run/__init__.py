"""An invocation as a Celery task: claim, handler, commit, the next invocation."""
