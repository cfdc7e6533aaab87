"""What ``start`` is told and answers is read in every form that containerd has used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from google.protobuf.any_pb2 import Any
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from toolkit.errors import ToolkitError
from toolkit.shim.bootstrap import (
    PARAMS,
    Bootstrap,
    BootstrapError,
    parse_reply,
    read_bundle,
    read_params,
    write_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "unix:///run/containerd/s/1f"


@pytest.mark.parametrize("version", [2, 3])
def test_every_form_of_a_reply_is_read(version: int) -> None:
    bootstrap = Bootstrap(version, ADDRESS, "ttrpc")

    assert parse_reply(bootstrap.as_protobuf()) == bootstrap
    assert parse_reply(bootstrap.as_json()) == bootstrap
    assert parse_reply(bootstrap.as_json() + b"\n") == bootstrap
    assert parse_reply(bootstrap.as_text() + b"\n") == bootstrap._replace(version=2)


def test_an_address_without_a_scheme_is_an_abstract_socket() -> None:
    found = parse_reply(b"/containerd-shim/default/web/shim.sock")

    assert found.channel_address == "unix://@/containerd-shim/default/web/shim.sock"
    assert found.service == "containerd.task.v2.Task"


@pytest.mark.parametrize("address", ["vsock://3:1024", "hvsock:///run/vm.sock:1024"])
def test_other_sockets_are_taken_as_they_are(address: str) -> None:
    assert parse_reply(address.encode()).channel_address == address


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"", "answered nothing"),
        (b" \n", "answered nothing"),
        (b"time=now level=info msg=hello\n", "neither a BootstrapResult, nor JSON, nor an address"),
        (b"level=info\nunix:///run/s/1f", "does it write messages to its stdout"),
        (b"\xff" * 1000, "and 800 bytes more"),
        (b'{"version": 4, "address": "unix:///s"}', "version 4 of the task API; known are 2 and 3"),
        (b'{"version": 1, "address": "unix:///s"}', "version 1 of the task API"),
        (b'{"version": 3, "address": "unix:///s", "protocol": "http"}', "speaks 'http'"),
        (b'{"version": "3", "address": "unix:///s"}', "neither a BootstrapResult"),
        (b'{"version": 3}', "neither a BootstrapResult"),
        (b"[]", "neither a BootstrapResult"),
        (Bootstrap(9, ADDRESS).as_protobuf(), "version 9 of the task API"),
    ],
)
def test_a_reply_that_makes_no_sense_says_what_it_was(reply: bytes, problem: str) -> None:
    with pytest.raises(BootstrapError, match=problem.replace("(", r"\(")):
        parse_reply(reply)


@given(st.binary(max_size=60))
def test_no_reply_raises_anything_else(reply: bytes) -> None:
    try:
        found = parse_reply(reply)
    except ToolkitError:
        return
    assert found.version in (2, 3)


def params(namespace: str = "default", id: str = "web") -> bytes:
    message = toolkit.load("containerd").message(PARAMS)
    data: bytes = message(namespace=namespace, instance_id=id).SerializeToString()
    return data


def test_params_are_known_by_the_names_on_the_command_line() -> None:
    found = read_params(params(), namespace="default", id="web")

    assert found is not None
    assert found.instance_id == "web"
    assert read_params(params(), namespace="default", id="other") is None
    assert read_params(params(), namespace="other", id="web") is None


def test_what_older_releases_send_is_no_params() -> None:
    options = Any(type_url="containerd.runc.v1.Options", value=b"\x32\x04runc")

    assert read_params(b"", namespace="default", id="web") is None
    assert read_params(options.SerializeToString(), namespace="default", id="web") is None
    assert read_params(b"\xff\xff", namespace="default", id="web") is None


def test_a_bundle_says_where_its_shim_is(tmp_path: Path) -> None:
    assert read_bundle(tmp_path) is None

    (tmp_path / "address").write_text(ADDRESS)
    assert read_bundle(tmp_path) == Bootstrap(2, ADDRESS)

    write_bundle(tmp_path, Bootstrap(3, ADDRESS))
    assert read_bundle(tmp_path) == Bootstrap(3, ADDRESS)


@pytest.mark.parametrize("name", ["bootstrap.json", "address"])
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"version": 7, "address": "unix:///s"}',
        b'{"version": 3, "address": "unix:///s\\u0000"}',
        b'{"version": 3, "address": "unix:///s\\ud800"}',
        b'{"version": 3, "address": "tcp://192.0.2.1:99"}',
    ],
)
def test_a_bundle_that_makes_no_sense_is_named(name: str, text: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text)

    with pytest.raises(BootstrapError, match=str(tmp_path / name)):
        read_bundle(tmp_path)


def test_a_pipe_in_a_bundle_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bootstrap.json")

    with pytest.raises(BootstrapError, match="bootstrap.json is no regular file"):
        read_bundle(tmp_path)


def test_a_huge_file_in_a_bundle_is_not_read_whole(tmp_path: Path) -> None:
    with (tmp_path / "bootstrap.json").open("wb") as file:
        file.truncate(3 << 30)

    with pytest.raises(BootstrapError, match="no shim's address"):
        read_bundle(tmp_path)
