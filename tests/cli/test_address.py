"""What people type as an address, and what the channel gets."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

from toolkit.cli.address import resolve
from toolkit.cli.errors import CommandError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://@name", "unix://@name"),
        ("ttrpc+unix:///run/x.sock", "unix:///run/x.sock"),
        ("vsock://3:1024", "vsock://3:1024"),
        ("@name", "unix://@name"),
        ("/no/such/file", "unix:///no/such/file"),
    ],
)
def test_text_that_says_what_it_is_becomes_a_url(text: str, address: str) -> None:
    assert resolve(text) == address


def test_a_relative_path_becomes_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.sock").touch()
    monkeypatch.chdir(tmp_path)

    assert resolve("x.sock") == f"unix://{tmp_path}/x.sock"


def test_a_bundle_of_containerd_2_has_its_address_in_bootstrap_json(tmp_path: Path) -> None:
    found = {"version": 3, "address": "unix:///run/containerd/s/1f", "protocol": "ttrpc"}
    (tmp_path / "bootstrap.json").write_text(json.dumps(found))
    (tmp_path / "address").write_text("unix:///the/older/one")

    assert resolve(str(tmp_path)) == "unix:///run/containerd/s/1f"


def test_a_bundle_of_containerd_1_has_it_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("unix:///run/containerd/s/1f\n")

    assert resolve(str(tmp_path)) == "unix:///run/containerd/s/1f"


def test_an_address_file_without_a_scheme_names_an_abstract_socket(tmp_path: Path) -> None:
    (tmp_path / "address").write_text("/containerd-shim/default/web/shim.sock")

    assert resolve(str(tmp_path)) == "unix://@/containerd-shim/default/web/shim.sock"


def test_a_shim_that_speaks_grpc_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.json").write_text('{"address": "unix:///x", "protocol": "grpc"}')

    with pytest.raises(CommandError, match="speaks grpc, not ttrpc"):
        resolve(str(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"address": null'])
def test_a_bootstrap_json_without_an_address_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "bootstrap.json").write_text(text)

    with pytest.raises(CommandError, match=r"bootstrap\.json holds no address"):
        resolve(str(tmp_path))


def test_a_directory_that_is_no_bundle_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="neither bootstrap.json nor address"):
        resolve(str(tmp_path))


def test_a_path_without_a_file_is_an_abstract_name_where_the_kernel_has_it() -> None:
    name = f"/ttrpc-toolkit-test/{os.getpid()}/shim.sock"

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        found = resolve(name)

    assert found == f"unix://@{name}"
    assert resolve(name) == f"unix://{name}"
