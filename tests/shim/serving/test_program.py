"""The command line of a shim: what is told about itself, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.shim.serving.conftest import Small

INFO = "containerd.types.RuntimeInfo"


def test_the_version_is_text_for_people(small: Small) -> None:
    done = small.call("-v")

    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == [
        b"containerd-shim-small-v1:",
        b"  Runtime:  io.containerd.small.v1",
        b"  Version:  7",
    ]


def test_info_has_name_version_and_the_options_as_they_came(small: Small) -> None:
    options = small.schema.pack("containerd.runc.v1.Options", {"root": "/r"})

    done = small.call("-info", stdin=options.SerializeToString())

    info = small.schema.message(INFO).FromString(done.stdout)
    assert (info.name, info.version.version) == ("io.containerd.small.v1", "7")
    assert small.schema.unpack(info.options).root == "/r"


def test_info_without_options_has_none(small: Small) -> None:
    done = small.call("-info")

    assert not small.schema.message(INFO).FromString(done.stdout).HasField("options")


def test_info_tells_what_the_author_adds(small: Small) -> None:
    small.write(extra=", info=lambda options: {'annotations': {'colour': 'red'}}")

    done = small.call("-info")

    info = small.schema.message(INFO).FromString(done.stdout)
    assert dict(info.annotations) == {"colour": "red"}


def test_info_refuses_what_is_no_any(small: Small) -> None:
    done = small.call("-info", stdin=b"\xff\xff noise")

    assert done.returncode == 1
    assert b"8 bytes on stdin that are neither" in done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-id", "web", "start"], b"-namespace is missing"),
        (["-namespace", "n", "start"], b"-id is missing"),
        (["-namespace", "n", "-id", "web", "restart"], b"unknown action 'restart'"),
        (["-colour", "red", "start"], b"unknown flag '-colour'"),
        (["-namespace"], b"-namespace wants a value"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_1(
    words: list[str], reason: bytes, small: Small
) -> None:
    done = small.call(*words)

    assert done.returncode == 1
    assert reason in done.stdout
    assert done.stdout.startswith(b"containerd-shim-small-v1: ")
    assert done.stdout.count(b"\n") == 1


def test_without_an_action_it_serves_a_socket_that_it_is_given_or_says_so(small: Small) -> None:
    done = small.call("-namespace", "n", "-id", "web")

    assert done.returncode == 1
    assert b"file descriptor 3 is no socket" in done.stdout
