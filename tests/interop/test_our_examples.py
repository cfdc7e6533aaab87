"""Our examples with the programs over the crate ``containerd-shim-protos``, both ways."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop import foreign
from tests.interop.foreign import SHIM_PROTOS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.foreign import ForeignServer, Peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

TASK_PID = 0x10C0
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("example", ["client.py", "client_async.py"])
def test_our_example_clients_run_against_the_crates_server(
    example: str, foreign_servers: Callable[[Peer], ForeignServer]
) -> None:
    server = foreign_servers(SHIM_PROTOS)

    done = subprocess.run(
        [sys.executable, EXAMPLES / example, server.address],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Create: pid 0x10c0" in done.stdout
    assert "Start: NOT_FOUND" in done.stdout


@pytest.mark.parametrize("example", ["server.py", "server_async.py"])
def test_the_crates_client_runs_against_our_example_servers(example: str, tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/task.sock"
    command = [sys.executable, str(EXAMPLES / example), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening at {address}\n"
        create, connect, *_ = foreign.scenarios(SHIM_PROTOS, address)
        process.terminate()

    assert (create["ok"], create["values"]) == (True, {"pid": TASK_PID})
    assert connect["ok"]
