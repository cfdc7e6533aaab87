"""Which schema answers for a name: one of ``-s``, else the peer's own, else a vendored one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from toolkit.cli.errors import CommandError, UsageError
from toolkit.cli.output import note, printable
from toolkit.errors import ReleaseNotFound, SchemaError, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from toolkit.cli.arguments import Options
    from toolkit.cli.peer import Peer
    from toolkit.reflection.finding import Found
    from toolkit.schema.pool import Schema

__all__ = ["PEER_WORDS", "SERVICE", "SYMBOL", "TASK", "Sources", "Wanted"]


TASK = "containerd.task."  # the packages v2 and v3
PEER_WORDS = ("peer", "reflect", "reflect-stream")  # of -s: the server at ADDRESS has it


class Wanted:
    """A kind of thing that a name may stand for.

    Attributes:
        kind: what errors call it.
        find: it, in a schema; None where the schema lacks it. Cheap, for all releases are asked.
        names: all names of this kind in a schema.
    """

    __slots__ = ("find", "kind", "names")

    def __init__(
        self,
        kind: str,
        find: Callable[[Schema, str], Any],
        names: Callable[[Schema], Iterable[str]],
    ) -> None:
        self.kind = kind
        self.find = find
        self.names = names


def _service(schema: Schema, name: str) -> Any:
    try:
        schema.pool.FindServiceByName(name)
    except KeyError:
        full = _in_full(schema, name, (service.name for service in schema.services()))
        return None if full is None else schema.service(full)
    return schema.service(name)


def _symbol(schema: Schema, name: str) -> Any:
    symbols = schema.symbols()
    found = symbols.get(name)
    if found is not None or "." in name:
        return found
    # Fields, values and methods have too many namesakes to go by the last part of their names.
    full = _in_full(schema, name, (full for full, one in symbols.items() if _is_type(one)))
    return None if full is None else symbols[full]


def _is_type(descriptor: Any) -> bool:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, ServiceDescriptor

    return isinstance(descriptor, (Descriptor, EnumDescriptor, ServiceDescriptor))


def _in_full(schema: Schema, short: str, names: Iterable[str]) -> str | None:
    """The one full name that ends in a short one; of ``task.v2`` and ``task.v3`` the latter.

    Raises:
        CommandError: several do.
    """
    if not short or "." in short:
        return None
    found = sorted(name for name in names if name.rpartition(".")[2] == short)
    # The life of a process has two names, and the newer one stands for both.
    found = [name for name in found if name.startswith(TASK)][-1:] or found
    if len(found) > 1:
        full = "\n".join(f"  {name}" for name in found)
        raise CommandError(f"{schema.name} has {len(found)} {short!r}; name one in full:\n{full}")
    return found[0] if found else None


SERVICE = Wanted("service", _service, lambda schema: (s.name for s in schema.services()))
SYMBOL = Wanted("symbol", _symbol, lambda schema: schema.symbols())


class Sources:
    """The schemas that a command looks through, in order; loaded one by one as they are asked for.

    They are those of ``-s``. Without it they are what the peer has itself, if there is a peer and
    it tells; else every vendored release, the newest first.

    Args:
        options: of the command.
        peer: the server at its ADDRESS, if it has one.
        fall_back: look through the vendored releases too when the peer's own lacks a name.
        probe: probe the peer where it tells nothing.
    """

    def __init__(
        self,
        options: Options,
        peer: Peer | None = None,
        *,
        fall_back: bool = False,
        probe: bool = True,
    ) -> None:
        self.options = options
        self.peer = peer
        self._fall_back = fall_back
        self._probe = probe
        self._found: Found | None = None
        self._asked = False
        self._reports: dict[Schema, Sequence[object]] = {}  # what is in those that were named

    @property
    def found(self) -> Found | None:
        """What the peer says of itself; None with ``-s``, without a peer, or if it does not."""
        if not self._asked and self.peer is not None and not self.options.schema:
            self._asked = True
            self._found = self.peer.find(probe=self._probe)
        return self._found

    def is_own(self, schema: Schema) -> bool:
        """Whether a schema is the peer's own, not one that was guessed to fit."""
        found = self.found
        return found is not None and not found.release and schema in found.schemas

    def schemas(self) -> Iterator[Schema]:
        """All of them, in order."""
        if "" in self.options.schema:
            raise UsageError("-s wants a release or a path, and it is empty")
        if self.options.schema:
            yield from map(self._given, self.options.schema)
            return
        if self.options.import_root:
            note("Warning: -I has no effect without -s.")
        found = self.found
        if found is not None:
            yield from found.schemas
            if not self._fall_back:
                return
        yield from _vendored()

    def offered(self) -> list[Schema]:
        """All of ``-s``, or all of the peer's; without either, the newest containerd.

        Raises:
            CommandError: there is a peer, and it does not tell.
        """
        found = self.found
        if self.peer is not None and found is None and not self.options.schema:
            raise CommandError(
                f"{self.peer.address} does not tell what it serves, and it was not to be probed;"
                " -s names its schema"
            )
        count = len(self.options.schema) or (len(found.schemas) if found is not None else 1)
        schemas = list(itertools.islice(self.schemas(), count))
        if not schemas:
            raise CommandError("nothing is vendored: `ttrpc releases` is empty")
        return schemas

    def search(self, wanted: Wanted, name: str) -> tuple[Schema, Any]:
        """The first schema that has something of this kind and name, and what it has.

        Raises:
            SymbolNotFound, CommandError: none has it; with the nearest names.
        """
        asked = []
        for schema in self.schemas():
            found = wanted.find(schema, name)
            if found is not None:
                return schema, found
            asked.append(schema)
        if self.options.schema or (self.found is not None and not self._fall_back):
            raise _missing(wanted, name, asked, where="")
        own = "neither the peer nor a" if self.found is not None else "no"
        raise _missing(wanted, name, asked, where=f"{own} vendored release")

    def may_serve(self, service: str) -> bool:
        """Whether the peer has a service, as far as is known; without a peer, any."""
        found = self.found
        return found is None or found.services is None or service in found.services

    def explain(self, schema: Schema, what: str = "") -> None:
        """Say under ``-v`` which schema it is, and why this one."""
        if not self.options.verbose:
            return
        name = (
            f"{schema.name} ({schema.release.tag})" if schema.release is not None else schema.name
        )
        found = self.found
        if found is not None and schema in found.schemas:
            note(f"Schema: {f'{name}, by {found.how}' if found.release else found.how}")
            for line in () if self._fall_back else found.notes:
                note(f"  {printable(line)}")
        else:
            why = "" if self.options.schema else ", the newest vendored release"
            note(f"Schema: {name}{why}{f' that has {what}' if why and what else ''}")
            for told in self._reports.get(schema, ()):
                note(f"  {printable(str(told))}")

    def note_origin(self, schema: Schema) -> None:
        """Say whose services these are, where one may take them for all that the peer serves."""
        if self.peer is None or self.options.schema:
            return
        found = self.found
        if found is None:
            note(f"Note: this is {schema.name}; the peer does not tell what it serves.")
        elif found.release:
            note(f"Note: the schema is {schema.name}'s; the peer has none, and was probed.")
        elif found.services is None:
            note(f"Note: this is what {found.how} holds; the peer may serve less of it.")

    def _given(self, word: str) -> Schema:
        from toolkit import load  # protobuf is 30 ms that `--help` saves

        if word.startswith(("binary:", "pid:")):
            return self._binary(word)
        if word.startswith("grpc:"):
            return self._grpc(word.removeprefix("grpc:"))
        if word not in PEER_WORDS:
            try:
                return load(word, roots=self.options.import_root)
            except ReleaseNotFound as exc:
                raise _perhaps_of_the_peer(word) or exc from None
        if self.peer is None:
            raise UsageError(f"-s {word} wants an ADDRESS, whose server is to tell")
        return self.peer.schema(word)

    def _binary(self, word: str) -> Schema:
        from toolkit.schema.binary import binary_source
        from toolkit.schema.load import schema_from

        source = binary_source(word)
        assert source is not None
        schema = schema_from(source)
        self._reports[schema] = source.report()
        return schema

    def _grpc(self, address: str) -> Schema:
        from toolkit.reflection.overgrpc import ask_grpc
        from toolkit.schema.load import schema_from

        # Commands that connect to nothing else have no flag for it.
        patience = self.options.connect_timeout if "connect_timeout" in self.options else None
        source = ask_grpc(address, connect_timeout=patience)
        schema = schema_from(source)
        self._reports[schema] = source.collected.notes
        return schema


def _perhaps_of_the_peer(word: str) -> CommandError | None:
    """The error for a word that is nearly one of those for the peer's own schema."""
    import difflib  # only a slip pays for it

    near = difflib.get_close_matches(word, PEER_WORDS, n=1, cutoff=0.75)
    return CommandError(f"no schema {word!r}; did you mean {near[0]}?") if near else None


def _vendored() -> Iterator[Schema]:
    from toolkit.schema.load import schema_from
    from toolkit.schema.releases import newest_first
    from toolkit.schema.sources import VendoredSource

    for release in newest_first():
        try:
            yield schema_from(VendoredSource(release))
        except SchemaError as exc:
            note(f"Warning: {release.name} is left out, it does not load: {exc}")


def _missing(wanted: Wanted, name: str, asked: list[Schema], *, where: str) -> Exception:
    from toolkit.errors import SymbolNotFound
    from toolkit.schema.nearest import nearest, own_names  # difflib, which only a miss pays

    names = own_names(name, itertools.chain.from_iterable(map(wanted.names, asked)))
    near = nearest(name, names)
    if len(asked) == 1:
        only = asked[0]
        elsewhere = only.elsewhere(name)
        return SymbolNotFound(
            wanted.kind, name, schema=only.name, nearest=near, elsewhere=elsewhere
        )
    hint = f"; did you mean {joined(near)}?" if near else ""
    if where:
        own = "" if near else "; -s takes a schema of your own"
        return CommandError(f"{where} has a {wanted.kind} {name!r}{hint}{own}")
    owners = joined([schema.name for schema in asked], "and")
    return CommandError(f"none of {owners} has a {wanted.kind} {name!r}{hint}")
