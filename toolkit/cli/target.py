"""The optional ADDRESS of a verb: its peer, or none."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.cli.arguments import Options
    from toolkit.cli.peer import Peer

__all__ = ["at"]


@contextlib.contextmanager
def at(address: str | None, options: Options) -> Iterator[Peer | None]:
    """The peer at an address, which is there; None without an address.

    Raises:
        ConnectFailed: nobody answers.
    """
    if address is None:
        yield None
        return
    from toolkit.cli.peer import Peer

    with Peer(address, options) as peer:
        _ = peer.channel  # nobody there is a failure, whatever is asked
        yield peer
