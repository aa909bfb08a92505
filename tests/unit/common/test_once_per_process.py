"""What is begun once in each process."""

from __future__ import annotations

import os
import threading

from flowforge.common.once_per_process import OncePerProcess


def test_threads_that_come_at_the_same_time_begin_once() -> None:
    """And none goes on before it is begun."""
    begun: list[int] = []
    once = OncePerProcess(lambda: begun.append(1))
    together = threading.Barrier(8)
    seen: list[int] = []

    def use() -> None:
        together.wait()
        once()
        seen.append(len(begun))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == [1]
    assert seen == [1] * 8


def test_a_child_forked_in_the_middle_begins_its_own() -> None:
    """Although the thread that has begun in the parent does not exist in the child."""
    inside, leave = threading.Event(), threading.Event()

    def begin() -> None:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            leave.wait(20)

    once = OncePerProcess(begin)
    beginner = threading.Thread(target=once)
    beginner.start()
    assert inside.wait(20)
    child = os.fork()
    if child == 0:
        done = threading.Thread(target=lambda: (once(), os._exit(7)), daemon=True)
        leave.set()
        done.start()
        done.join(10)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    leave.set()
    beginner.join()
    assert os.waitstatus_to_exitcode(status) == 7
