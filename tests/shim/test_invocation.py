"""A shim's command line is what containerd writes, and is read as Go reads it."""

from __future__ import annotations

import pytest

from toolkit.shim.invocation import (
    Invocation,
    InvocationError,
    parse_arguments,
    shim_binary,
    socket_address,
)

START = Invocation(
    "start",
    "default",
    "web",
    address="/run/containerd/containerd.sock",
    publish_binary="containerd",
)


def test_a_start_is_called_as_containerd_calls_it() -> None:
    assert START.arguments() == [
        "-namespace", "default",
        "-address", "/run/containerd/containerd.sock",
        "-publish-binary", "containerd",
        "-id", "web",
        "start",
    ]  # fmt: skip
    assert START.environment()["TTRPC_ADDRESS"] == "/run/containerd/containerd.sock.ttrpc"
    assert START.environment("/run/x")["TTRPC_ADDRESS"] == "/run/x"


@pytest.mark.parametrize(
    "invocation",
    [
        START,
        START._replace(action="delete", bundle="/run/web", debug=True),
        START._replace(action="", socket="/run/s/1"),
    ],
)
def test_what_is_written_is_read_back(invocation: Invocation) -> None:
    assert parse_arguments(invocation.arguments()) == invocation


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-v"], Invocation(version=True)),
        (["--version"], Invocation(version=True)),
        (["-info"], Invocation(info=True)),
        (["-id=a=b", "--namespace", "ns"], Invocation(id="a=b", namespace="ns")),
        (["-debug=false", "-debug-socket", "/x", "start", "-id", "no"], Invocation("start")),
        (["-id", "-web", "--", "delete"], Invocation("delete", id="-web")),
        ([], Invocation()),
    ],
)
def test_flags_are_read_as_go_reads_them(words: list[str], found: Invocation) -> None:
    assert parse_arguments(words) == found


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["-what"], "unknown flag '-what'; known are -address, -bundle"),
        (["-id"], "-id wants a value"),
        (["-debug=maybe"], "'-debug=maybe': wanted true or false"),
    ],
)
def test_flags_that_make_no_sense_are_named(words: list[str], problem: str) -> None:
    with pytest.raises(InvocationError, match=problem):
        parse_arguments(words)


def test_a_socket_is_named_as_containerd_names_it() -> None:
    """The hash is that of a real one: containerd 2.4, namespace try, container web1."""
    found = socket_address("try", "web1", address="/run/containerd/containerd.sock")

    assert found == (
        "unix:///run/containerd/s/efdacf1fb8f22f9ced0aeaf9f893a300ab20146e277b72f300144d1c23b99a5d"
    )


def test_another_folder_and_an_odd_path_are_joined_as_go_joins_them() -> None:
    plain = socket_address("a", "b", address="/run/c.sock", socket_dir="/s")

    assert socket_address("a", "b", address="//run/./x/../c.sock", socket_dir="/s") == plain
    assert plain.startswith("unix:///s/")


def test_a_socket_path_over_the_limit_is_refused() -> None:
    with pytest.raises(InvocationError, match="longer than 106: .*shorter socket folder"):
        socket_address("a", "b", address="/c", socket_dir="/" + "long" * 12)


@pytest.mark.parametrize(
    ("runtime", "binary"),
    [
        ("io.containerd.runc.v2", "containerd-shim-runc-v2"),
        ("io.containerd.process.v1", "containerd-shim-process-v1"),
        ("aws.firecracker", "containerd-shim-aws-firecracker"),
        ("containerd-shim-runc-v2", "containerd-shim-runc-v2"),
        ("/usr/bin/x.y", "/usr/bin/x.y"),
    ],
)
def test_a_runtime_is_a_program(runtime: str, binary: str) -> None:
    assert shim_binary(runtime) == binary
