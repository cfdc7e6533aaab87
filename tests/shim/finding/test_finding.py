"""Which shims are found, and what is known of each, from bundles and processes."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.shim.finding.lookalike import CONTAINERD, Bundle, lookalike, unused_namespace
from tests.shim.finding.nobody import as_nobody
from toolkit import sync
from toolkit.shim.finding import running
from toolkit.shim.finding.bundles import Bundle as BundleFound
from toolkit.shim.finding.discovery import discover
from toolkit.shim.finding.found import Found
from toolkit.shim.finding.matching import Matching
from toolkit.shim.invocation import socket_address

PROGRAM = str(Path(__file__).with_name("lookalike_program.py"))

if TYPE_CHECKING:
    from toolkit.shim.finding.listeners import Listeners


@pytest.fixture
def namespace() -> str:
    return unused_namespace()


def stale(path: Path) -> str:
    """The address of a socket file whose process is gone."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return f"unix://{path}"


def test_a_bundle_and_its_process_are_one_shim(tmp_path: Path, namespace: str) -> None:
    address = f"unix://{tmp_path}/s"
    bundle = Bundle(tmp_path, namespace, "web").says(address).path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        (found,) = discover(state=tmp_path)

    assert found == Found(namespace, "web", pid, PROGRAM, "", 3, address, str(bundle))
    assert found.service == "containerd.task.v3.Task"


def test_an_address_file_means_task_v2(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, "web").says_as_of_old(f"unix://{tmp_path}/s")

    (found,) = discover(state=tmp_path)

    assert (found.task, found.address) == (2, f"unix://{tmp_path}/s")


def test_an_abstract_socket_has_its_owner(tmp_path: Path, namespace: str) -> None:
    name = f"/containerd-shim/{namespace}/web/shim.sock"
    bundle = Bundle(tmp_path, namespace, "web").says_as_of_old(name).path

    with lookalike(namespace, "web", bundle=bundle, socket=f"@{name}") as pid:
        (found,) = discover(state=tmp_path)

    assert (found.pid, found.address) == (pid, f"unix://@{name}")


def test_containers_that_share_a_shim_are_one_each(tmp_path: Path, namespace: str) -> None:
    address = f"unix://{tmp_path}/s"
    first = Bundle(tmp_path, namespace, "pause").says(address).path
    Bundle(tmp_path, namespace, "app").says(address)

    with lookalike(namespace, "pause", bundle=first, socket=f"{tmp_path}/s") as pid:
        found = discover(state=tmp_path)

    assert [(one.id, one.pid) for one in found] == [("app", pid), ("pause", pid)]


def test_a_shared_shim_outlives_the_container_on_its_command_line(
    tmp_path: Path, namespace: str
) -> None:
    address = f"unix://{tmp_path}/s"
    first = Bundle(tmp_path, namespace, "pause").says(address).path
    Bundle(tmp_path, namespace, "app").says(address)

    with lookalike(namespace, "pause", bundle=first, socket=f"{tmp_path}/s") as pid:
        shutil.rmtree(first)
        found = discover(state=tmp_path)

    assert [(one.id, one.pid) for one in found] == [("app", pid)]


def test_a_shim_that_died_has_no_process(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(stale(tmp_path / "s"))
    (bundle.path / "shim-binary-path").write_text("/usr/bin/containerd-shim-runc-v2")

    (found,) = discover(state=tmp_path)

    assert (found.pid, found.binary) == (None, "/usr/bin/containerd-shim-runc-v2")
    assert found.address == f"unix://{tmp_path}/s"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": 1}', "\0\xff"])
def test_a_bundle_of_garbage_says_what_it_holds(tmp_path: Path, namespace: str, text: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").path
    (bundle / "bootstrap.json").write_text(text)

    (found,) = discover(state=tmp_path)

    assert (found.pid, found.address, found.task) == (None, "", None)
    assert f"{bundle}/bootstrap.json holds" in found.problem


def test_the_process_tells_what_a_bundle_of_garbage_does_not(
    tmp_path: Path, namespace: str
) -> None:
    bundle = Bundle(tmp_path, namespace, "web").path
    (bundle / "bootstrap.json").write_text("garbage")

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        (found,) = discover(state=tmp_path)

    assert (found.pid, found.address) == (pid, f"unix://{tmp_path}/s")
    assert "garbage" in found.problem


def test_a_bundle_that_says_nothing_yet_is_there(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, "web")

    (found,) = discover(state=tmp_path)

    assert "neither bootstrap.json nor address" in found.problem


def test_a_bundle_anywhere_is_found_by_its_process(tmp_path: Path, namespace: str) -> None:
    bundle = tmp_path / "anywhere"
    bundle.mkdir()
    (bundle / "config.json").write_text("{}")
    (bundle / "bootstrap.json").write_text(f'{{"version": 2, "address": "unix://{tmp_path}/s"}}')

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        (found,) = discover(namespace=namespace)

    assert (found.id, found.pid, found.task) == ("web", pid, 2)
    assert (found.bundle, found.problem) == (str(bundle), "")


def test_the_state_folder_above_a_shim_is_looked_through(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
    Bundle(tmp_path, namespace, "dead").says(stale(tmp_path / "d"))

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s"):
        found = discover(namespace=namespace)

    assert [one.id for one in found] == ["dead", "web"]


def test_a_shim_whose_bundle_is_gone_is_found(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        shutil.rmtree(bundle)
        (found,) = discover(namespace=namespace)

    assert (found.pid, found.address, found.bundle) == (pid, f"unix://{tmp_path}/s", "")
    assert found.problem == f"its bundle {bundle} is gone"


def test_two_shims_of_one_id_are_both_there(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/new").path

    with (
        lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/old") as old,
        lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/new") as new,
    ):
        found = {one.pid: one for one in discover(namespace=namespace)}

    assert found.keys() == {old, new}
    assert found[new].problem == ""
    assert f"names another socket, unix://{tmp_path}/new" in found[old].problem


def test_a_path_over_the_limit_is_named_as_one(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/{'x' * 120}")

    (found,) = discover(state=tmp_path)

    assert "a unix socket's at most 107" in found.problem


def test_a_process_that_does_not_look_like_a_shim_may_own_the_socket(
    tmp_path: Path, namespace: str
) -> None:
    Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        (found,) = discover(state=tmp_path)

    assert (found.pid, found.binary) == (os.getpid(), str(Path("/proc/self/exe").readlink()))


def test_of_those_that_hold_a_socket_it_is_the_one_that_names_the_container() -> None:
    class Both:
        """Listeners where two processes hold the one socket."""

        def holders(self, path: str, root: str) -> list[int]:
            return [3, 5, 9]

    shims = [
        running.ShimProcess(pid, "n", id, "", f"/bin/{id}", "", "")
        for pid, id in [(5, "db"), (9, "web")]
    ]
    told = [BundleFound("n", id, f"/none/{id}", address="unix:///s") for id in ("web", "app")]

    found = list(Matching(shims, cast("Listeners", Both())).found(told))

    assert [(one.id, one.pid) for one in found] == [("web", 9), ("app", 5)]


def test_only_shims_that_serve_are_shims(tmp_path: Path, namespace: str) -> None:
    with lookalike(namespace, "web", bundle=tmp_path, action="start"):
        assert discover(namespace=namespace) == []


def test_a_child_that_has_not_become_its_program_is_none(tmp_path: Path, namespace: str) -> None:
    with lookalike(namespace, "web", bundle=tmp_path, socket=f"{tmp_path}/s", mode="fork") as pid:
        (found,) = discover(namespace=namespace)

    assert found.pid == pid


def test_a_process_without_a_socket_says_so(tmp_path: Path, namespace: str) -> None:
    with lookalike(namespace, "web", bundle=tmp_path) as pid:
        (found,) = discover(namespace=namespace)

    assert (found.pid, found.problem) == (pid, "it listens at no unix socket")


def test_of_several_sockets_the_usual_one_is_the_address(tmp_path: Path, namespace: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # a short one: the path of a socket is short
        usual = socket_address(namespace, "web", address=CONTAINERD, socket_dir=folder)
        both = f"{folder}/debug:{usual.removeprefix('unix://')}"
        with lookalike(namespace, "web", bundle=tmp_path, socket=both):
            (found,) = discover(namespace=namespace)

    assert found.address == usual


def test_shims_are_sorted_and_filtered(tmp_path: Path, namespace: str) -> None:
    for space, name in [("b", "2"), ("b", "1"), ("a", "3")]:
        Bundle(tmp_path, f"{namespace}{space}", name)

    found = [one.name.removeprefix(namespace) for one in discover(state=[tmp_path])]

    assert found == ["a/3", "b/1", "b/2"]
    assert [one.id for one in discover(state=tmp_path, namespace=f"{namespace}a")] == ["3"]
    assert [one.id for one in discover(state=tmp_path, id="1")] == ["1"]


def test_what_containerd_is_removing_is_no_bundle(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, ".web")

    assert discover(state=tmp_path) == []


def test_a_state_folder_that_is_not_there_has_no_shims(tmp_path: Path) -> None:
    assert discover(state=tmp_path / "none") == []


def test_without_rights_the_command_line_is_what_there_is(tmp_path: Path, namespace: str) -> None:
    tmp_path.chmod(0o700)
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        (found,) = as_nobody(lambda: discover(namespace=namespace))

    assert (found.name, found.pid, found.binary) == (f"{namespace}/web", pid, PROGRAM)
    assert (found.address, found.bundle) == ("", "")
    assert "that takes root" in found.problem


def test_without_rights_a_state_folder_is_empty(tmp_path: Path, namespace: str) -> None:
    tmp_path.chmod(0o700)
    Bundle(tmp_path, namespace, "web")

    assert as_nobody(lambda: discover(state=tmp_path)) == []


def test_a_shim_in_other_namespaces_is_reached_by_way_of_its_process(
    tmp_path: Path, namespace: str
) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("it takes root and unshare")
    (tmp_path / "bundle").mkdir()
    hidden = f'mount -t tmpfs none {tmp_path} && mkdir {tmp_path}/bundle && exec "$@"'
    before = ["unshare", "--mount", "--net", "sh", "-c", hidden, "-"]
    bundle, path = tmp_path / "bundle", f"{tmp_path}/s"

    with lookalike(
        namespace, "web", bundle=bundle, socket=path, mode="serve3", before=before
    ) as pid:
        (found,) = discover(namespace=namespace)
        assert not Path(path).exists()
        with sync.connect(found.address, timeout=5) as channel:
            assert not channel.closed

    assert (found.pid, found.address) == (pid, f"unix:///proc/{pid}/root{path}")


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["containerd"], "/run/containerd"),
        (["containerd", "--state", "/run/k3s/containerd"], "/run/k3s/containerd"),
        (["containerd", "-c", "{folder}/c.toml"], "/run/mine"),
        (["containerd", "--config={folder}/c.toml"], "/run/mine"),
        (["containerd", "--config", "{folder}/none"], "/run/containerd"),
        (["containerd", "--config", "{folder}/bad.toml"], "/run/containerd"),
    ],
)
def test_a_containerd_tells_where_its_state_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], state: str
) -> None:
    monkeypatch.setattr(running, "CONFIG", str(tmp_path / "none"))
    (tmp_path / "c.toml").write_text('version = 2\nstate = "/run/mine"\n')
    (tmp_path / "bad.toml").write_text("state = ")

    found = running._state_of("", [word.format(folder=tmp_path) for word in words])

    assert found == state


def test_looking_connects_to_nobody(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        listener.settimeout(0)
        discover(state=tmp_path)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_thousand_bundles_are_looked_through_in_a_moment(tmp_path: Path, namespace: str) -> None:
    address = stale(tmp_path / "s")
    for number in range(1000):
        Bundle(tmp_path, namespace, f"c{number}").says(address)

    assert len(discover(state=tmp_path)) == 1000
