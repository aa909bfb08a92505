"""Child processes that never outlive the process that started them.

The owner holds the write end of a pipe; a small ``sh`` watchdog in a session of its own reads the
other end. However the owner ends, the kernel closes the pipe, the watchdog reads end-of-file and
ends the child and all of the child's process group. An ``atexit`` handler would not survive
SIGKILL, and ``PR_SET_PDEATHSIG`` is unknown to macOS and fires when the starting *thread* ends.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

#: $1 directory to remove or "", $2 seconds before SIGKILL, the rest: the command. Prints its pid.
#: The reader in the background ends the command. The shell waits for the command to end for
#: whatever reason, removes the directory and takes along what is left of the process group (the
#: reader, its sleep, the command's own children). The owner alone holds the supervision.
_WATCHDOG = """
directory=$1 grace=$2
shift 2
exec 3<&0
"$@" </dev/null >&2 3<&- &
child=$!
trap 'kill -TERM $child' HUP INT TERM
{
  read -r _ <&3
  kill -TERM $child
  sleep "$grace"
  kill -KILL $child
  [ -z "$directory" ] || rm -rf -- "$directory"
} >/dev/null 2>&1 &
echo $child
exec 3<&- >/dev/null 2>&1
while kill -0 $child; do wait $child; done
[ -z "$directory" ] || rm -rf -- "$directory"
kill -KILL 0
"""

#: Pipes and locks of this process. A forked child closes them: else the watchdog would wait for the
#: end of that child as well.
_owner_only: set[int] = set()
#: Processes still on the supervision, oldest first.
_live: dict[SupervisedProcess, None] = {}


class SupervisedProcess:
    """A command that gets SIGTERM, and SIGKILL after `kill_after` seconds, when its owner is gone.

    It runs in a session of its own, so Ctrl-C in the owner's terminal does not reach it. `pid` is
    the command's, `group` its process group. stdout and stderr go to `log`; `remove` is a directory
    to remove once the command has ended; the descriptors in `keep` stay open in the command; a
    `umask` of -1 is the owner's.
    In a forked child of the owner every method that ends the process does nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: BinaryIO,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        remove: Path | None = None,
        kill_after: int = 5,
        keep: Iterable[int] = (),
        umask: int = -1,
    ) -> None:
        self._owner = os.getpid()
        self._kill_after = kill_after
        self._remove = remove
        arguments = [str(remove or ""), str(kill_after), *command]
        end, self._leash = os.pipe()
        _owner_only.add(self._leash)
        _live[self] = None
        try:
            self._watchdog = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHDOG, "flowforge-watchdog", *arguments],
                stdin=end,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=cwd,
                env=env,
                pass_fds=tuple(keep),
                start_new_session=True,
                umask=umask,
            )
            self.group = self._watchdog.pid
            self.pid = self._read_pid()
        except BaseException:
            self.release()
            raise
        finally:
            _close(end)

    def _read_pid(self) -> int:
        with self._watchdog.stdout as answer:  # type: ignore[union-attr]
            line = answer.readline()
        if not line:
            raise OSError("/bin/sh could not start the command")
        return int(line)

    @property
    def owned(self) -> bool:
        """Whether this is the process that started the command, and not a forked child of it."""
        return os.getpid() == self._owner

    @property
    def alive(self) -> bool:
        """Whether the command runs; False once it ended, whoever ended it. For the owner only."""
        return self._watchdog.poll() is None

    def terminate(self) -> None:
        """SIGTERM the command and return at once."""
        if self.owned and self.alive:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the command alone and return when its whole group is gone."""
        if self.owned and self.alive:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def release(self) -> None:
        """Let the watchdog end the command, and return at once."""
        if self.owned and self in _live:
            del _live[self]
            close_owned(self._leash)

    def end(self) -> None:
        """End the command and return when it is gone, after `kill_after` seconds at the latest."""
        if not self.owned:
            return
        self.release()
        try:
            self._watchdog.wait(self._kill_after + 2)
        except subprocess.TimeoutExpired:
            os.killpg(self.group, signal.SIGKILL)
            self._watchdog.wait()
        if self._remove is not None:
            shutil.rmtree(self._remove, ignore_errors=True)


def own(descriptor: int) -> int:
    """Keep `descriptor` out of forked children; returns it. Close it with close_owned."""
    _owner_only.add(descriptor)
    return descriptor


def close_owned(descriptor: int) -> None:
    """Close a descriptor that forked children must not keep."""
    _owner_only.discard(descriptor)
    _close(descriptor)


def _close(descriptor: int) -> None:
    # gevent replaces os.close by one that waits for its event loop, which no longer turns at exit
    # nor in a fresh fork.
    os.closerange(descriptor, descriptor + 1)


def _end_all() -> None:
    """Newest first: what was started last may need what was started before."""
    for process in reversed(list(_live)):
        process.end()


def _disown() -> None:
    """In a forked child: the parent alone decides how long its processes live."""
    for descriptor in _owner_only:
        _close(descriptor)
    _owner_only.clear()
    _live.clear()


atexit.register(_end_all)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_disown)
