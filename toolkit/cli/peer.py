"""The peer at ADDRESS: connected to when first needed, and the schema that it has itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.address import resolve, shim_named
from toolkit.cli.errors import CommandError
from toolkit.cli.output import note, printable
from toolkit.errors import ConnectionClosed, NoSchema, RemoteProtocolError, ToolkitError

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit.cli.arguments import Options
    from toolkit.reflection.finding import Found
    from toolkit.schema.pool import Schema
    from toolkit.shim.finding.found import Found as Shim
    from toolkit.sync import Channel

__all__ = ["Peer"]


class Peer:
    """A server, and what it tells of itself; hangs up at the end of its block.

    Attributes:
        address: where it is.
        shim: what is known of the shim that its address names; None for any other address.
    """

    def __init__(self, address: str, options: Options) -> None:
        self.shim: Shim | None = shim_named(address)
        self.address = resolve(address) if self.shim is None else self.shim.address
        self._options = options
        self._channel: Channel | None = None
        self._found: Found | None = None

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            self._channel.close()

    @property
    def channel(self) -> Channel:
        """A channel to it.

        Raises:
            ConnectFailed: nobody answers.
        """
        if self._channel is None:
            if self._options.verbose:
                note(f"Address: {self.address}")
            self._channel = self.connect()
        return self._channel

    def connect(self) -> Channel:
        """Another channel to it, which the caller closes."""
        from toolkit import sync  # sockets and threads, which other commands do without

        return sync.connect(self.address, timeout=self._options.connect_timeout)

    @property
    def probes(self) -> bool:
        """Whether it may be probed."""
        return not self._options.no_probe

    def find(self, *, probe: bool) -> Found | None:
        """What it serves, if it can be told without harm; ``-v`` tells what was tried.

        Raises:
            CommandError: not even probing, where that is allowed, tells anything.
        """
        if self._found is None:
            from toolkit.reflection.finding import ASKING, find

            may_probe = probe and self.probes
            timeout = min(self._options.max_time or ASKING, ASKING)
            try:
                self._found = find(
                    self.channel,
                    probe=may_probe,
                    timeout=timeout,
                    told=self.tell,
                )
            except (ConnectionClosed, RemoteProtocolError) as exc:
                from toolkit.cli import hints

                raise hints.lost(exc, self.channel, "whether it has reflection") from exc
            except NoSchema as exc:
                if may_probe:
                    text = f"{self.address} does not tell what it serves: {exc}"
                    raise CommandError(f"{text}; -s names its schema, -v tells more") from exc
        return self._found

    def schema(self, word: str) -> Schema:
        """What ``-s peer``, ``-s reflect`` and ``-s reflect-stream`` stand for.

        Raises:
            NoSchema: it has none of this kind.
        """
        from toolkit.reflection.asking import TIMEOUT, load
        from toolkit.reflection.finding import behind

        if word == "peer":
            return behind(self.channel).schemas[0]
        timeout = self._options.max_time or TIMEOUT
        return load(self.channel, stream=word == "reflect-stream", timeout=timeout)

    def has(self, service: str) -> bool:
        """Whether it has a service, learnt by a unary call that does nothing.

        False too where it may not be probed, or does not answer so that it can be told.
        """
        if not self.probes:
            return False
        from toolkit.reflection.probe import Probe

        try:
            with Probe(self.connect, by_path=False, told=self.tell) as probe:
                return probe.has(service)
        except ToolkitError as exc:
            self.tell(f"whether it has {service}: {exc}")
            return False

    def tell(self, line: str) -> None:
        """Say under ``-v`` what was tried."""
        if self._options.verbose:
            note(f"  {printable(line)}")
