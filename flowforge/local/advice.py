"""What is said of the embedded engine to those who do not want it."""

from __future__ import annotations

#: What makes jobs run elsewhere.
TO_A_FLEET = (
    "set FLOWFORGE_REDIS_URL; or import the module with the Celery app that flowforge.install was "
    "given, before jobs are submitted"
)
