"""Addresses: every form, and what is said of text that is none."""

from __future__ import annotations

import pytest

from toolkit.errors import AddressError
from toolkit.rpc.address import Address, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:///run/x.sock", Address("unix", path="/run/x.sock")),
        ("unix://@name", Address("unix", path="@name")),
        ("vsock://3:1024", Address("vsock", host="3", port=1024)),
        ("hvsock:///run/vm.sock:1024", Address("hvsock", path="/run/vm.sock", port=1024)),
        ("tcp://127.0.0.1:80", Address("tcp", host="127.0.0.1", port=80)),
        ("tcp://[::1]:80", Address("tcp", host="::1", port=80)),
        ("tcp://localhost:0", Address("tcp", host="localhost", port=0)),
    ],
)
def test_every_form_is_read_and_printed_back(text: str, address: Address) -> None:
    assert parse(text) == address
    assert str(address) == text


def test_vsock_minus_1_is_any_context_id() -> None:
    assert parse("vsock://-1:1024").host == str(2**32 - 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/run/x.sock", "write unix:///run/x.sock"),
        ("@name", "write unix://@name"),
        ("x.sock", "it has no scheme"),
        ("http://x", "'http' is none of unix, vsock, hvsock, tcp"),
        ("unix://run/x.sock", "the path must be absolute"),
        ("unix://@", "no name after the @"),
        ("unix://@" + "x" * 108, "at most 107 bytes"),
        ("unix:///" + "x" * 107, "the path has 108 bytes, a unix socket's at most 107"),
        ("unix:///a\0b", "NUL"),
        ("tcp://host", "there is no port"),
        ("tcp://:80", "there is no host"),
        ("tcp://host:http", "the port is 'http', not a number up to 65535"),
        ("tcp://host:65536", "not a number up to 65535"),
        ("vsock://x:1", "the context id is 'x'"),
        ("vsock://3:²", "the port is '²'"),
        ("hvsock://vm:1", "must be absolute"),
    ],
)
def test_other_text_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match="is no address") as caught:
        parse(text)
    assert reason in caught.value.reason
    assert caught.value.address == text
    assert isinstance(caught.value, ValueError)


def test_only_a_unix_name_after_at_is_abstract() -> None:
    assert parse("unix://@x").is_abstract
    assert not parse("unix:///x").is_abstract


def test_a_path_need_not_be_utf_8() -> None:
    assert parse("unix:///run/\udcff").path == "/run/\udcff"
