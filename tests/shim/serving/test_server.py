"""The server that ``start`` leaves behind: its process, what it serves, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.shim.serving.waiting import ends, eventually
from toolkit import sync
from toolkit.status import Code

if TYPE_CHECKING:
    from tests.shim.serving.conftest import Small

MEMORY = 32 << 20  # bytes; 20 MiB are usual, 10 of them are Python's own


def stat_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def words_of(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")


def test_it_is_a_process_of_its_own(small: Small) -> None:
    small.started()
    [pid] = small.servers()

    session, terminal = stat_of(pid)[3:5]
    assert (int(session), int(terminal)) == (pid, 0)
    files = [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in (0, 1, 2)]
    assert files == ["/dev/null"] * 3
    assert Path(f"/proc/{pid}/cwd").readlink() == small.bundle_of("web")


def test_its_command_line_names_it_and_no_action(small: Small) -> None:
    small.started()

    words = words_of(small.servers()[0])
    assert words[-2:] == [b"-id", b"web"]
    assert os.fsencode(small.program) in words


def test_the_kernel_names_it_as_who_listens(small: Small) -> None:
    address = small.started()

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.removeprefix("unix://"))
        told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)

    assert [struct.unpack("3i", told)[0]] == small.servers()


def test_it_is_killed_before_containerd_for_want_of_memory(small: Small) -> None:
    small.started()

    score = int(Path(f"/proc/{small.servers()[0]}/oom_score_adj").read_text())
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert score == min(own + 1, 1000)


def test_it_loads_neither_grpc_nor_asyncio_and_stays_small(small: Small) -> None:
    told = small.told(small.started())

    heavy = {"grpc", "grpc_tools", "asyncio", "jinja2", "concurrent.futures", "multiprocessing"}
    assert heavy.isdisjoint(told["modules"])
    status = Path(f"/proc/{small.servers()[0]}/status").read_text()
    [resident] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    assert int(resident.split()[1]) * 1024 < MEMORY


def test_task_v2_and_v3_are_answered_by_one_object(small: Small) -> None:
    address = small.started()

    with sync.connect(address, timeout=5) as channel:
        pids = {small.task(channel, version).Connect(id="web").shim_pid for version in (2, 3)}

    assert list(pids) == small.servers()


def test_what_the_object_lacks_is_unimplemented(small: Small) -> None:
    sandbox = small.schema.service("containerd.runtime.sandbox.v1.Sandbox")

    with sync.connect(small.started(), timeout=5) as channel:
        codes = []
        for method in (
            small.schema.service("containerd.task.v3.Task")["Pause"],
            sandbox["Platform"],
        ):
            with pytest.raises(toolkit.RpcError) as caught:
                channel.call(method, timeout=5)
            codes.append(caught.value.code)

    assert codes == [Code.UNIMPLEMENTED] * 2


def test_sandbox_is_served_where_the_object_has_its_methods(small: Small) -> None:
    reply = "{'platform': {'os': 'linux'}}"
    small.write(factory=f"Task.Platform = lambda self, request, context: {reply}")
    sandbox = small.schema.service("containerd.runtime.sandbox.v1.Sandbox")

    with sync.connect(small.started(), timeout=5) as channel:
        assert channel.call(sandbox["Platform"], timeout=5).platform.os == "linux"


def test_shutdown_is_answered_and_leaves_nothing(small: Small) -> None:
    address = small.started()
    [pid] = small.servers()

    with sync.connect(address, timeout=5) as channel:
        small.task(channel).Shutdown(id="web", timeout=5)
        gone = not Path(address.removeprefix("unix://")).exists()

    assert gone  # before the answer: the next shim of this id needs the place
    assert ends(pid)
    bundle = small.bundle_of("web")
    assert not (bundle / "address").exists()
    assert (bundle / "closed").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: int, small: Small) -> None:
    address = small.started()
    [pid] = small.servers()

    os.kill(pid, number)

    assert ends(pid)
    assert (small.bundle_of("web") / "closed").exists()
    assert not Path(address.removeprefix("unix://")).exists()


def test_after_a_shutdown_the_next_start_makes_a_new_shim(small: Small) -> None:
    # The old one is still at it when the new one is there.
    small.write(factory="Task.close = lambda self: open('go').read()")
    os.mkfifo(small.bundle("web") / "go")
    address = small.started()
    [first] = small.servers()
    with sync.connect(address, timeout=5) as channel:
        small.task(channel).Shutdown(id="web", timeout=5)

        assert small.started() == address

    assert len(small.servers()) == 2
    (small.bundle_of("web") / "go").write_text("")
    assert ends(first)
    assert len(small.servers()) == 1
    assert (small.bundle_of("web") / "address").read_text() == address
    assert small.told(address)["id"] == "web"


def test_clients_that_go_away_do_not_end_it(small: Small) -> None:
    address = small.started()
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as client:  # no frame at all, then half of one
            client.connect(address.removeprefix("unix://"))
            client.send(b"\0\0\0")

    assert small.told(address)["id"] == "web"


def test_a_socket_can_be_named_instead_of_passed_on(small: Small) -> None:
    path = small.folder / "own.sock"
    words = [*small.invocation("", "web").arguments(), "-socket", str(path)]
    process = subprocess.Popen([small.program, *words], cwd=small.bundle("web"))
    try:
        assert eventually(path.exists)
        told = small.told(f"unix://{path}")
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()

    assert told["id"] == "web"
    assert not path.exists()
