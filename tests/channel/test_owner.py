"""Who holds the listening end of a unix socket now, whoever it was that made it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from toolkit.errors import NoSchema
from toolkit.rpc.address import Address, parse
from toolkit.sockets import owner as module
from toolkit.sockets.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534
OURSELVES = Owner(os.getpid(), os.readlink("/proc/self/exe"))  # noqa: PTH115  # as the kernel says

# Listens, gives its socket to a process that goes on, and ends: as the start of a runc shim does.
START = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
server.set_inheritable(True)
child = os.spawnv(os.P_NOWAIT, sys.argv[2], [sys.argv[2]])
print(child, flush=True)
"""
LISTEN = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1].replace("@", "\\0", 1))
server.listen()
print(flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def listening(path: str, kind: int = socket.SOCK_STREAM) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, kind) as server:
        server.bind(path.replace("@", "\0", 1) if path.startswith("@") else path)
        server.listen()
        yield server


@contextlib.contextmanager
def other_process(path: Path | str) -> Iterator[int]:
    """Another process that listens at the path."""
    command = [sys.executable, "-I", "-S", "-c", LISTEN, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"\n"
            yield process.pid
        finally:
            process.stdin.close()


def owners(address: Address, listener: int | None = None) -> list[Owner]:
    return list(module.owners(address, listener))


def at(path: object) -> Address:
    return parse(f"unix://{path}")


def listener_of(path: str) -> int:
    """Whom the kernel names as the peer of a connection."""
    with socket.socket(socket.AF_UNIX) as connected:
        connected.connect(path)
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, _, _ = struct.unpack("3i", credentials)
    assert isinstance(pid, int)
    return pid


# By address


@pytest.mark.parametrize(
    "name", ["x.sock", "with  two blanks", "a b", "blank at the end ", "\u00e9", "a(deleted)"]
)
@pytest.mark.parametrize("listener", [None, os.getpid()])
def test_who_listens_at_a_path_is_found(name: str, listener: int | None, tmp_path: Path) -> None:
    path = str(tmp_path / name)

    with listening(path):
        assert owners(at(path), listener) == [OURSELVES]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_whatever_listens_is_found(kind: int, tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")

    with listening(path, kind):
        assert owners(at(path)) == [OURSELVES]


@pytest.mark.parametrize("name", ["plain", "with blanks", "/run/shim.sock", "@twice"])
def test_who_listens_at_an_abstract_name_is_found(name: str) -> None:
    path = f"@ttrpc-toolkit-{os.getpid()}-{name}"

    with listening(path):
        assert owners(at(path)) == [OURSELVES]


def test_an_abstract_name_is_no_file_of_that_name(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")

    with listening(path), pytest.raises(NoSchema):
        owners(at(f"@{path}"))


def test_an_abstract_name_is_meant_as_a_whole() -> None:
    name = f"ttrpc-toolkit-{os.getpid()}-whole"

    with listening(f"@x{name}"), listening(f"@{name}x"), pytest.raises(NoSchema):
        owners(at(f"@{name}"))


@pytest.mark.parametrize("link_is", ["where it is bound", "where it is asked for"])
def test_a_folder_may_be_a_link(link_is: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real, link = f"{tmp_path}/real/x.sock", f"{tmp_path}/link/x.sock"
    bound, asked = (link, real) if link_is == "where it is bound" else (real, link)

    with listening(bound):
        assert owners(at(asked)) == [OURSELVES]


def test_the_socket_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.sock").symlink_to("x.sock")

    with listening(str(tmp_path / "x.sock")):
        assert owners(at(tmp_path / "link.sock")) == [OURSELVES]


def test_a_socket_that_was_bound_by_a_relative_path_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with listening("x.sock"):
        assert owners(at(tmp_path / "x.sock")) == [OURSELVES]


def test_a_path_with_another_one_s_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with (
        listening(str(tmp_path / "x.sock")),
        listening(str(tmp_path / "a" / "x.sock")),
        listening(str(tmp_path / "ax.sock")),
        other_process(tmp_path / "a" / "y.sock") as other,
    ):
        assert [one.pid for one in owners(at(tmp_path / "x.sock"))] == [os.getpid()]
        assert [one.pid for one in owners(at(tmp_path / "a" / "y.sock"))] == [other]


# Whose it is now


def test_who_inherited_the_socket_is_found_when_its_maker_has_ended(tmp_path: Path) -> None:
    path, program = str(tmp_path / "x.sock"), str(tmp_path / "server")
    cat = shutil.which("cat")
    assert cat is not None
    shutil.copy(cat, program)  # reads what nobody writes: serves until its input is closed
    command = [sys.executable, "-I", "-S", "-c", START, path, program]
    reading, writing = os.pipe()
    try:
        start = subprocess.Popen(command, stdin=reading, stdout=subprocess.PIPE)
        assert start.stdout is not None
        with start.stdout:
            child = int(start.stdout.readline())
            assert start.wait() == 0
            os.write(writing, b"there?\n")
            assert start.stdout.readline() == b"there?\n"  # it runs the program by now
        maker = listener_of(path)

        assert maker == start.pid
        assert owners(at(path), maker) == owners(at(path)) == [Owner(child, program)]
    finally:
        os.close(writing)
        os.close(reading)


def test_all_who_hold_the_socket_are_found_and_the_listener_is_first(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with (
        listening(path) as server,
        subprocess.Popen(
            ["cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[server.fileno()],
        ) as child,
    ):
        found = [one.pid for one in owners(at(path))]

        assert sorted(found) == sorted([os.getpid(), child.pid])
        assert [one.pid for one in owners(at(path), os.getpid())] == [os.getpid(), child.pid]
        assert [one.pid for one in owners(at(path), child.pid)] == [child.pid, os.getpid()]


def test_init_is_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_INIT", os.getpid())
    path = str(tmp_path / "x.sock")
    with (
        listening(path) as server,
        subprocess.Popen(
            ["cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[server.fileno()],
        ) as child,
    ):
        assert [one.pid for one in owners(at(path))] == [child.pid, os.getpid()]
        assert [one.pid for one in owners(at(path), os.getpid())] == [child.pid, os.getpid()]


def test_of_an_old_server_and_a_new_one_at_the_same_path_the_new_one_is_meant(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.sock"
    with listening(str(path)):
        path.unlink()
        with other_process(path) as new:
            assert listener_of(str(path)) == new
            assert [one.pid for one in owners(at(path), new)] == [new]
            assert [one.pid for one in owners(at(path))] == [new]


def test_a_name_that_looks_like_the_kernel_s_table_fools_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    forged = f"\0\n0: 00000002 00000000 00010000 0001 01 1 {path}"[:100]
    with (
        other_process(tmp_path / "x.sock") as server,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as broken,
    ):
        abstract.bind(forged)
        abstract.listen()
        broken.bind("\0\na b c zz e f g x.sock")
        broken.listen()

        assert [one.pid for one in owners(at(path))] == [server]


def test_a_listener_that_has_not_the_socket_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"

    with listening(str(path)):
        assert owners(at(path), os.getppid()) == [OURSELVES]


def test_what_was_deleted_while_it_runs_is_called_by_its_path(tmp_path: Path) -> None:
    path, program = str(tmp_path / "x.sock"), tmp_path / "server"
    cat = shutil.which("cat")
    assert cat is not None
    shutil.copy(cat, program)
    with (
        listening(path) as server,
        subprocess.Popen(
            [program], stdin=subprocess.PIPE, pass_fds=[server.fileno()], stdout=subprocess.DEVNULL
        ) as child,
    ):
        program.unlink()

        assert owners(at(path), child.pid)[0] == Owner(child.pid, str(program))


# Nobody


@pytest.mark.parametrize("address", ["unix:///no/such/x.sock", "unix://@ttrpc-toolkit-no-such"])
def test_where_nobody_listens_there_is_no_schema(address: str) -> None:
    with pytest.raises(NoSchema, match=f"nobody in this network namespace listens at {address}$"):
        owners(parse(address))


@pytest.mark.parametrize(
    "address", ["tcp://localhost:1", "vsock://3:1024", "hvsock:///run/x.sock:1024"]
)
def test_what_is_no_unix_socket_has_no_owner(address: str) -> None:
    with pytest.raises(NoSchema, match=f"^{address} is no unix socket"):
        owners(parse(address))


def test_a_listener_that_has_ended_is_no_hindrance(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    ended = subprocess.Popen(["true"])
    ended.wait()

    with pytest.raises(NoSchema, match="nobody in this network namespace"):
        owners(at(path), ended.pid)
    with listening(path):
        assert owners(at(path), ended.pid) == [OURSELVES]


def test_a_kernel_that_does_not_tell_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Iterator[object]:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module, "_listening", refused)

    with pytest.raises(NoSchema, match="the kernel does not tell .*: Operation not permitted$"):
        owners(at("/run/x.sock"))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_socket_that_does_not_listen_is_not_taken(kind: int, tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX, kind) as bound:
        bound.bind(path)

        with pytest.raises(NoSchema, match="nobody in this network namespace"):
            owners(at(path))


def test_connections_that_outlive_the_listening_socket_are_not_taken(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with contextlib.ExitStack() as stack:
        with listening(path) as server:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(path)
            stack.enter_context(server.accept()[0])  # the table has it with the same path

        with pytest.raises(NoSchema, match="nobody in this network namespace"):
            owners(at(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's process")
def test_a_folder_that_may_not_be_looked_into_is_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with other_process(path) as pid:
        os.seteuid(NOBODY)
        try:
            for listener in (None, pid):
                with pytest.raises(NoSchema, match=r"cannot look at .*: Permission denied$"):
                    owners(at(path), listener)
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's process")
def test_processes_that_may_not_be_looked_into_are_counted() -> None:
    name = f"@ttrpc-toolkit-{os.getpid()}-root-s"
    with other_process(name) as pid:
        os.seteuid(NOBODY)
        try:
            for listener in (None, pid):
                with pytest.raises(NoSchema, match=r"; [1-9]\d* processes may not be looked into"):
                    owners(at(name), listener)
        finally:
            os.seteuid(0)
