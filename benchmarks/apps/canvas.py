"""Celery's own workflows, with a Redis result backend."""

from __future__ import annotations

from collections.abc import Sequence

from celery import Celery

from benchmarks.apps import ready

app = Celery("canvas", broker=ready.URL, backend=ready.URL)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=16)


@app.task
def step() -> None:
    pass


@app.task
def item(n: int) -> int:
    return n


@app.task
def total(items: Sequence[int]) -> int:
    return sum(items)
