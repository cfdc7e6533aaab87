"""``start``: its answer in each form, its socket, and what can be in the way."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.shim.serving.conftest import NAMESPACE
from toolkit.errors import ToolkitError
from toolkit.shim.bootstrap import RESULT, parse_reply
from toolkit.shim.invocation import socket_address
from toolkit.shim.serving import listening
from toolkit.shim.serving.listening import claim

if TYPE_CHECKING:
    from tests.shim.serving.conftest import Small

GROUP, SANDBOX = "io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"
NEW = {"MAX_SHIM_VERSION": "2"}  # what containerd sets since 1.7


def expected(small: Small, id: str) -> str:
    containerd = str(small.folder / "containerd.sock")
    return socket_address(NAMESPACE, id, address=containerd, socket_dir=str(small.sockets))


def path_of(address: str) -> Path:
    return Path(address.removeprefix("unix://"))


def test_a_caller_that_sends_bootstrap_params_is_answered_in_protobuf(small: Small) -> None:
    done = small.start(env=NEW)

    result = small.schema.message(RESULT).FromString(done.stdout)
    assert (result.version, result.protocol) == (3, "ttrpc")
    assert result.address == expected(small, "web")


def test_containerd_1_7_to_2_2_is_answered_in_json_with_a_version_it_knows(small: Small) -> None:
    done = small.start(stdin=b"", env=NEW)

    assert json.loads(done.stdout) == {
        "version": 2,
        "address": expected(small, "web"),
        "protocol": "ttrpc",
    }


def test_older_containerds_are_answered_with_the_address_alone(small: Small) -> None:
    done = small.start(stdin=b"", env={"GRPC_ADDRESS": "/elsewhere"})

    assert done.stdout.decode() == expected(small, "web")


def test_options_of_older_releases_reach_the_factory(small: Small) -> None:
    options = small.schema.pack("containerd.runc.v1.Options", {"root": "/r"})

    address = small.started(stdin=options.SerializeToString(), env=NEW)

    assert small.told(address)["options"] == "containerd.runc.v1.Options"


def test_options_among_bootstrap_params_reach_the_factory(small: Small) -> None:
    value = small.schema.pack("containerd.runc.v1.Options", {"root": "/r"})
    params = small.params("web", extensions=[{"value": value}], log_level="LOG_LEVEL_TRACE")

    told = small.told(small.started(stdin=params))

    assert told["options"] == "containerd.runc.v1.Options"
    assert told["debug"]


def test_the_factory_learns_who_it_is_for(small: Small) -> None:
    told = small.told(small.started())

    assert (told["id"], told["namespace"], told["options"]) == ("web", NAMESPACE, None)
    assert told["bundle"] == str(small.bundle_of("web"))
    assert not told["debug"]


def test_containerd_may_name_the_folder_of_the_socket(small: Small) -> None:
    folder = small.folder / "a" / "b"

    address = small.started(stdin=small.params("web", socket_dir=str(folder)))

    assert path_of(address).parent == folder
    assert [stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)] == [0o700] * 2


def test_socket_and_folder_are_for_their_owner_alone(small: Small) -> None:
    path = path_of(small.started())

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_bundle_notes_the_address(small: Small) -> None:
    address = small.started()

    assert (small.bundle_of("web") / "address").read_text() == address


def test_a_second_start_leads_to_the_same_shim(small: Small) -> None:
    first = small.started()
    [server] = small.servers()

    assert small.started() == first
    assert small.servers() == [server]


@pytest.mark.parametrize("annotation", [GROUP, SANDBOX])
def test_a_group_has_one_shim(annotation: str, small: Small) -> None:
    for id in ("web", "db"):
        small.bundle(id, **{annotation: "pod"})

    addresses = {small.started(id) for id in ("web", "db")}

    assert addresses == {expected(small, "pod")}
    assert len(small.servers()) == 1
    assert (small.bundle_of("db") / "address").read_text() in addresses


def test_runcs_annotation_counts_before_that_of_kubernetes(small: Small) -> None:
    small.bundle("web", **{SANDBOX: "sandbox", GROUP: "group"})

    assert small.started() == expected(small, "group")


def test_eight_starts_at_once_of_a_group_make_one_shim(small: Small) -> None:
    ids = [f"web-{number}" for number in range(8)]
    for id in ids:
        small.bundle(id, **{GROUP: "pod"})

    with ThreadPoolExecutor(8) as pool:
        addresses = set(pool.map(small.started, ids))

    assert addresses == {expected(small, "pod")}
    assert len(small.servers()) == 1


def test_a_socket_is_claimed_by_one_start_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOCK_TIMEOUT", 0.05)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)

    with pytest.raises(ToolkitError, match="is locked by another process for 0.05 s"):
        claim(f"unix://{tmp_path}/web")

    os.close(folder)
    bound = claim(f"unix://{tmp_path}/web").bound
    assert bound is not None
    bound.sock.close()


def test_a_socket_that_nobody_listens_on_is_replaced(small: Small) -> None:
    path = path_of(expected(small, "web"))
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    assert small.told(small.started())["id"] == "web"


def test_another_file_in_place_of_the_socket_is_an_error_and_stays(small: Small) -> None:
    path = path_of(expected(small, "web"))
    path.parent.mkdir()
    path.write_text("precious")

    done = small.start()

    assert done.returncode == 1
    assert b"there is a file in place of the socket" in done.stdout
    assert path.read_text() == "precious"
    assert small.servers() == []


def test_a_path_over_the_limit_is_an_error_and_leaves_nothing(small: Small) -> None:
    folder = small.folder / ("x" * 60)

    done = small.start(stdin=small.params("web", socket_dir=str(folder)))

    assert done.returncode == 1
    assert b"longer than 106" in done.stdout
    assert not folder.exists()
    assert small.servers() == []


def test_a_folder_that_cannot_be_made_is_an_error(small: Small) -> None:
    done = small.start(stdin=small.params("web", socket_dir="/proc/none"))

    assert done.returncode == 1
    assert done.stdout == b"containerd-shim-small-v1: /proc/none: No such file or directory\n"
    assert small.servers() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_no_permission_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError) as caught:
            claim(f"unix://{tmp_path}/s/web")
    finally:
        os.seteuid(0)

    assert caught.value.filename in (str(tmp_path / "s"), str(tmp_path / "s" / "web"))


def test_a_bundle_whose_config_makes_no_sense_is_an_error(small: Small) -> None:
    (small.bundle("web") / "config.json").write_text("{")

    done = small.start()

    assert done.returncode == 1
    assert b"config.json is not JSON" in done.stdout


def test_a_bundle_without_config_is_in_no_group(small: Small) -> None:
    (small.bundle("web") / "config.json").unlink()

    assert small.started() == expected(small, "web")


def test_noise_on_stdin_is_an_error(small: Small) -> None:
    done = small.start(stdin=b"\xff\xff noise")

    assert done.returncode == 1
    assert b"8 bytes on stdin that are neither BootstrapParams" in done.stdout


def test_more_than_10_mib_on_stdin_are_not_taken(small: Small) -> None:
    done = small.start(stdin=bytes((10 << 20) + 1))

    assert done.returncode == 1
    assert b"more than 10485760 bytes on stdin" in done.stdout


def test_a_factory_that_fails_is_an_error_of_start_and_leaves_nothing(small: Small) -> None:
    small.write(factory="raise LookupError('no such disk')")

    done = small.start()

    assert done.returncode == 1
    assert done.stdout == b"containerd-shim-small-v1: LookupError: no such disk\n"
    assert list(small.sockets.iterdir()) == []
    assert not (small.bundle_of("web") / "address").exists()
    assert small.servers() == []


def test_a_server_that_dies_before_it_serves_is_an_error_of_start(small: Small) -> None:
    small.write(factory="os.kill(os.getpid(), 9)")

    done = small.start()

    assert done.returncode == 1
    assert b"the server died before it was ready" in done.stdout
    assert list(small.sockets.iterdir()) == []


def test_an_object_that_serves_nothing_is_an_error_of_start(small: Small) -> None:
    small.write(factory="return object()")

    done = small.start()

    assert done.returncode == 1
    assert b"object has no method of containerd.task.v2.Task" in done.stdout


def test_what_the_factory_prints_does_not_get_into_the_answer(small: Small) -> None:
    small.write(factory="print('noise'); print('noise', file=sys.stderr); sys.stdout.flush()")

    done = small.start()

    assert parse_reply(done.stdout).address == expected(small, "web")
    assert b"noise" not in done.stdout
