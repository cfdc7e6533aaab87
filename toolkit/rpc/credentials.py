"""Who may call: checks of the peer that a server makes before it reads a connection's first frame.

A check is any callable that takes a ``Peer`` and says whether it is let in; these are ready-made.
They go by what the kernel says about the process that connected (SO_PEERCRED: its effective user
and group at that moment), which unix sockets on Linux have. Where it says nothing, nobody gets in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.rpc.context import Peer

__all__ = ["AioAuthorize", "Authorize", "root", "same_user", "user"]

Authorize: TypeAlias = "Callable[[Peer], bool]"
AioAuthorize: TypeAlias = "Callable[[Peer], bool | Awaitable[bool]]"  # may be ``async``


def user(uid: int, gid: int | None = None) -> Authorize:
    """Lets in this user, whatever its group unless one is given."""

    def is_user(peer: Peer) -> bool:
        return peer.uid == uid and (gid is None or peer.gid == gid)

    return is_user


def root() -> Authorize:
    """Lets in root, of root's group, as Go's ``UnixSocketRequireRoot``."""
    return user(0, 0)


def same_user() -> Authorize:
    """Lets in who has this process's effective user *and* group, as Go's
    ``UnixSocketRequireSameUser``.
    """  # noqa: D205  # one sentence
    return user(os.geteuid(), os.getegid())
