"""A schema out of reflection: which questions to ask, and what to make of the replies.

No I/O: ``collect`` is a generator that gives questions and takes replies, for whoever carries them:
a blocking channel, an asyncio one, a stream, or gRPC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from toolkit.errors import SchemaError, joined
from toolkit.schema.files import read_file
from toolkit.schema.mending import mend
from toolkit.schema.wellknown import runtime_file

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator

    from toolkit.schema.files import File

__all__ = ["Collected", "Question", "ReflectedSource", "collect", "drive", "drive_async"]

# Far above what servers have.
MAX_FILES = 5_000
MAX_TOTAL = 64 << 20  # bytes of all files
MAX_SERVICES = 10_000

# The one field of a ServerReflectionRequest that is set, and its value.
Question: TypeAlias = "dict[str, str]"


class Collected(NamedTuple):
    """What a server told of itself.

    Attributes:
        files: serialized; they link, imports first.
        services: the names of its services.
        notes: what is missing, a sentence each.
    """

    files: list[bytes]
    services: list[str]
    notes: list[str]


class ReflectedSource:
    """What reflection gave, as a source of a schema.

    Attributes:
        name: ``reflection of unix:///run/x.sock``.
        collected: what the server told.
    """

    def __init__(self, name: str, collected: Collected) -> None:
        self.name = name
        self.collected = collected

    def files(self) -> list[bytes]:
        """The files."""
        return self.collected.files


def collect() -> Generator[Question, Any, Collected]:
    """Ask for every service, and for every file that these need.

    Yields:
        Questions; the reply to each is to be sent in.

    Raises:
        SchemaError: the replies make no sense, or there is no end to them.
    """
    services = _services((yield {"list_services": "*"}))
    gathered = _Gathered()
    for name in services:
        # By the service: not all servers know methods.
        gathered.take((yield {"file_containing_symbol": name}), name)
    while wanted := gathered.wanted():
        for name in wanted:
            gathered.take((yield {"file_by_filename": name}), name)
    mended = mend(file.data + file.source_info for file in gathered.files.values())
    named = zip(gathered.files, mended.notes, strict=True)
    notes = gathered.notes + [f"{name}: {note}" for name, note in named if note]
    if services and not mended.files:
        raise SchemaError(f"it names services, and does not tell of them: {joined(notes[:1])}")
    return Collected(mended.files, services, notes)


def drive(exchange: Callable[[Question], Any]) -> Collected:
    """Collect by a function that carries a question over and brings the reply; as ``collect``."""
    questions = collect()
    reply = None
    try:
        while True:
            reply = exchange(questions.send(reply))
    except StopIteration as done:
        return _told(done)


async def drive_async(exchange: Callable[[Question], Awaitable[Any]]) -> Collected:
    """``drive`` with an async function."""
    questions = collect()
    reply = None
    try:
        while True:
            reply = await exchange(questions.send(reply))
    except StopIteration as done:
        return _told(done)


def _told(done: StopIteration) -> Collected:
    collected: Collected = done.value
    return collected


class _Gathered:
    """The files that came so far."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.notes: list[str] = []
        self._wanted: dict[str, None] = {}
        self._seen: set[str] = set()  # names that were imported once
        self._total = 0

    def take(self, reply: Any, asked: str) -> None:
        """Take the files out of a reply; a refusal is noted."""
        kind = reply.WhichOneof("message_response")
        if kind == "error_response":
            self.notes.append(f"{asked}: {_refusal(reply.error_response)}")
            return
        if kind != "file_descriptor_response":
            raise SchemaError(f"asked for {asked}, got {_what(kind)}")
        for data in reply.file_descriptor_response.file_descriptor_proto:
            try:
                file = read_file(data)
            except SchemaError as exc:
                self.notes.append(f"{asked}: {exc}")
                continue
            if not file.name or file.name in self.files:
                continue  # servers send a file again and again
            self.files[file.name] = file
            self._wanted.pop(file.name, None)
            self._wanted.update(dict.fromkeys(self._new(file.imports)))
            self._total += len(data)
            if len(self.files) > MAX_FILES or self._total > MAX_TOTAL:
                raise SchemaError(f"more than {MAX_FILES} files, or {MAX_TOTAL >> 20} MiB of them")

    def wanted(self) -> list[str]:
        """The files that are imported, did not come and were not asked for yet."""
        found, self._wanted = list(self._wanted), {}
        return found

    def _new(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name not in self._seen:
                self._seen.add(name)
                if name not in self.files and runtime_file(name) is None:
                    yield name
        if len(self._seen) > MAX_FILES:
            raise SchemaError(f"its files import more than {MAX_FILES} others")


def _services(reply: Any) -> list[str]:
    kind = reply.WhichOneof("message_response")
    if kind == "error_response":
        raise SchemaError(f"asked for its services: {_refusal(reply.error_response)}")
    if kind != "list_services_response":
        raise SchemaError(f"asked for its services, got {_what(kind)}")
    names: Iterable[str] = (service.name for service in reply.list_services_response.service)
    found = list(dict.fromkeys(names))
    if len(found) > MAX_SERVICES:
        raise SchemaError(f"{len(found)} services; no more than {MAX_SERVICES} are taken")
    return found


def _refusal(error: Any) -> str:
    return f"error {error.error_code}: {error.error_message}"


def _what(kind: str | None) -> str:
    return "an empty reply" if kind is None else f"a {kind}"
