"""The ready-made checks of who may call."""

from __future__ import annotations

import os

import pytest

from toolkit.rpc.context import Peer
from toolkit.rpc.credentials import root, same_user, user

OURS = (os.geteuid(), os.getegid())


@pytest.mark.parametrize(
    ("uid", "gid", "expected"),
    [(*OURS, True), (OURS[0] + 1, OURS[1], False), (OURS[0], OURS[1] + 1, False)],
)
def test_point_28_the_same_user_is_user_and_group(uid: int, gid: int, *, expected: bool) -> None:
    assert same_user()(Peer("unix:///s", 1, uid, gid)) is expected


@pytest.mark.parametrize(("uid", "gid", "expected"), [(0, 0, True), (0, 1, False), (1, 0, False)])
def test_point_28_root_is_user_and_group(uid: int, gid: int, *, expected: bool) -> None:
    assert root()(Peer("unix:///s", 1, uid, gid)) is expected


@pytest.mark.parametrize(("uid", "gid", "expected"), [(7, 0, True), (7, 8, True), (8, 7, False)])
def test_a_user_may_be_of_any_group(uid: int, gid: int, *, expected: bool) -> None:
    assert user(7)(Peer("unix:///s", 1, uid, gid)) is expected


@pytest.mark.parametrize("authorize", [user(0), root(), same_user()])
def test_point_28_who_is_not_known_is_not_let_in(authorize: object) -> None:
    assert callable(authorize)
    assert authorize(Peer("tcp://127.0.0.1:1")) is False
