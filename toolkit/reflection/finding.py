"""A schema for whatever is behind a channel, found without harm.

In this order: the binary behind the socket, for which nothing is sent; the unary twin of
reflection; and, if wanted, probing for the services of the vendored releases.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import AddressError, NoSchema, RpcError, SchemaError
from toolkit.reflection.protocol import METHOD, NONE, TWIN
from toolkit.rpc.address import parse
from toolkit.rpc.raw import raw_message, raw_method
from toolkit.schema.binary import BinarySource
from toolkit.schema.load import schema_from
from toolkit.sockets.owner import owners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release
    from toolkit.sync import Channel

__all__ = ["Found", "behind", "find", "probed"]

# This is on the way of every `ttrpc call`: what only some need is imported where they do.

ASKING = 2.0  # seconds for what nobody has asked for: the twin, and each question of a probe
_OWNERS = 8  # processes that hold one socket; more than two are odd
_LIST_SERVICES = b"\x3a\x01*"  # a ServerReflectionRequest: no schema is loaded in vain


class Found(NamedTuple):
    """What a peer serves, and how that is known.

    Attributes:
        schemas: the peer's schema; after probing the vendored releases that fit, one a project.
        how: in words, such as ``the binary of pid 12 (/usr/bin/x)``.
        services: those that it is known to have; None where its schema may hold more.
        release: whether the schemas are vendored releases, not the peer's own.
        notes: what was found where, and what was left out, a line each.
    """

    schemas: Sequence[Schema]
    how: str
    services: Sequence[str] | None = None
    release: bool = False
    notes: Sequence[str] = ()


def find(
    channel: Channel,
    *,
    probe: bool = False,
    timeout: float = ASKING,
    told: Callable[[str], object] | None = None,
) -> Found:
    """A schema for the peer of a channel.

    Args:
        channel: to the peer.
        probe: where nothing else tells, ask over another connection which of the services that
            vendored releases have are there, by calls that do nothing.
        timeout: seconds for reflection, and for each question of a probe.
        told: is given what is tried and what comes of it, as lines of text.

    Raises:
        NoSchema: it is not known in any of these ways.
        ConnectionClosed, ConnectFailed: the peer is gone.
    """
    tell = told if told is not None else _ignore
    try:
        return behind(channel)
    except SchemaError as exc:
        tell(f"its binary: {exc}")
    try:
        return _reflected(channel, timeout)
    except (SchemaError, RpcError) as exc:
        tell(f"reflection: {exc}")
        if not probe:
            raise NoSchema(f"{channel.address} does not tell what it serves") from exc
    return probed(channel.address, timeout=timeout, told=told)


def _ignore(line: str) -> None:
    """Tell nobody."""


def behind(channel: Channel) -> Found:
    """The schema in the binary behind a unix socket; nothing is sent.

    Raises:
        NoSchema: it holds none, or it is not seen whose socket it is.
        SchemaError: it cannot be read.
    """
    try:
        address = parse(channel.address)
    except AddressError as exc:  # an open socket
        raise NoSchema(f"whose socket {channel.address} is cannot be told") from exc
    problems: list[str] = []
    for owner in islice(owners(address, channel.peer.pid), _OWNERS):
        program = owner.executable or "what it runs"
        source = BinarySource(f"/proc/{owner.pid}/exe", f"pid:{owner.pid}")
        try:
            schema = schema_from(source)
        except NoSchema:
            problems.append(f"no descriptors in {program} of pid {owner.pid}")
        except SchemaError as exc:
            problems.append(str(exc))
        else:
            if not schema.services():
                # Rust's generated code may carry the files of messages, and of no service.
                problems.append(f"no service in {program} of pid {owner.pid}")
                continue
            how = f"the binary of pid {owner.pid} ({program})"
            return Found([schema], how, notes=[str(one) for one in source.report()])
    raise NoSchema(f"{'; '.join(problems)} (Rust programs and scripts have none)")


def _reflected(channel: Channel, timeout: float) -> Found:
    try:
        channel.call(raw_method(TWIN, METHOD), raw_message(_LIST_SERVICES), timeout=timeout)
    except RpcError as exc:
        if exc.code in NONE:
            raise NoSchema(f"there is none: {exc}") from exc
        raise
    from toolkit.reflection.asking import ask

    source = ask(channel, timeout=timeout)
    collected = source.collected
    schema = schema_from(source)
    return Found([schema], "its reflection", collected.services, notes=collected.notes)


def probed(
    address: str,
    *,
    timeout: float = ASKING,
    told: Callable[[str], object] | None = None,
) -> Found:
    """The vendored releases that have what a server has, learnt by calls that do nothing.

    Raises:
        NoSchema: the server has none of their services, or does not answer so that it can be told.
        ConnectFailed: nobody is there.
    """
    from toolkit import sync
    from toolkit.reflection.probe import Probe
    from toolkit.reflection.spoken import over_ttrpc
    from toolkit.schema.elsewhere import service_names
    from toolkit.schema.releases import releases
    from toolkit.schema.sources import VendoredSource

    offered = {release: set(filter(over_ttrpc, service_names(release))) for release in releases()}
    candidates = sorted(set().union(*offered.values()))
    connect = partial(sync.connect, address, timeout=timeout)
    with Probe(connect, timeout=timeout, told=told) as asking:
        served = asking.served(candidates)
    if not served:
        raise NoSchema(f"it has none of the {len(candidates)} services that are known here")
    chosen = _releases_with(set(served), offered)
    schemas = [schema_from(VendoredSource(release)) for release in chosen]
    return Found(schemas, "probing for known services", served, release=True)


def _releases_with(served: set[str], offered: dict[Release, set[str]]) -> list[Release]:
    """For each project that has some of the services, the newest of the lines that have most."""
    chosen: dict[str, Release] = {}
    for release, services in offered.items():  # lines in order: a later one wins
        best = chosen.get(release.project)
        if services & served and (
            best is None
            or len(services & served) > len(offered[best] & served)
            or (len(services & served) == len(offered[best] & served) and release.line != "main")
        ):
            chosen[release.project] = release
    return list(chosen.values())
