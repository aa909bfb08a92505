"""Threads that do something all the time while a round goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self


class Threads:
    """Threads that run until ``over`` is set, which the end of the block does.

    What one of them raises is raised there. The others go on until then.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self._errors: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def add(self, run: Callable[..., None], *arguments: object) -> None:
        """Have a thread call ``run`` when the block begins."""
        self._threads.append(threading.Thread(target=self._guard, args=(run, arguments)))

    def _guard(self, run: Callable[..., None], arguments: tuple[object, ...]) -> None:
        try:
            run(*arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the threads are joined
            self._errors.append(error)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
