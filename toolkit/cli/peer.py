"""The peer behind the ADDRESS of ``list`` and ``describe``: it is greeted, and not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.address import resolve
from toolkit.cli.output import note

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["check", "say_unasked"]


def check(address: str | None, options: Options) -> None:
    """Connect and hang up, without a byte: nobody there is a failure.

    Raises:
        ConnectFailed: nobody answers.
    """
    if address is None:
        return
    from toolkit import sync  # sockets and threads, which other commands do without

    place = resolve(address)
    if options.verbose:
        note(f"Address: {place}")
    sync.connect(place, timeout=options.connect_timeout).close()


def say_unasked(address: str | None, schema: Schema, options: Options) -> None:
    """Say whose services these are, where one may take them for the peer's."""
    if address is not None and not options.schema:
        note(f"Note: this is {schema.name}; the peer was not asked what it serves.")
