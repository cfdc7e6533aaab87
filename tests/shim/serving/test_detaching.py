"""A server whose ``start`` was killed gives up: nobody would ever know of it."""

from __future__ import annotations

import os

import pytest

from toolkit.shim.serving.detaching import READY, Birth, ServerFailed


def test_a_server_tells_who_waits() -> None:
    reading, writing = os.pipe()

    Birth(writing).ready()

    assert os.read(reading, 100) == READY
    assert os.read(reading, 100) == b""
    os.close(reading)


def test_a_server_that_nobody_waits_for_gives_up() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(ServerFailed, match="who started this server is gone"):
        Birth(writing).ready()
    Birth(writing).failed("it is told all the same")

    os.close(writing)
