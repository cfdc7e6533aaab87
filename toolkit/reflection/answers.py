"""What a server says about itself: a reply to each question, over the schemas that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.files import read_file
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.schema.files import File
    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema

__all__ = ["Answers"]

# A reply holds what a file imports too, as long as it stays well below the 4 MiB of a frame.
MAX_REPLY = 3 << 20  # bytes
_ENGINE = "google/protobuf/"


class _Served(NamedTuple):
    data: bytes  # with its comments
    file: File
    symbols: list[str]  # that it declares
    extensions: list[tuple[str, int]]  # extended messages, and numbers
    service: Service | None = None  # whose closure it is in; None for others of the schema


class _NotFound(Exception):
    """The question is about something that is not there."""


class Answers:
    """Replies to reflection's questions about some services.

    The files of a service's schema that it does not need are told of too, as long as they do not
    contradict others: what travels in an Any is found that way.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        """Look through the schemas of services.

        Raises:
            SchemaError: two of them need files that contradict each other.
        """
        self._names = sorted(service.name for service in services)
        self._files: dict[str, _Served] = {}
        self._symbols: dict[str, str] = {}  # to the file that declares it
        self._extensions: dict[str, dict[int, str]] = {}  # by extended message and number
        schemas = {service.schema: _files(service.schema) for service in services}
        for service in services:
            for name in _closure(service):
                self._add(name, schemas[service.schema][name]._replace(service=service))
        for files in schemas.values():
            for name, file in files.items():  # imports first
                if all(self._is_kept(one, files[one]) for one in file.file.imports):
                    self._add(name, file)

    def answer(self, request: Any, sent: set[str] | None = None) -> dict[str, Any]:
        """The reply to a request, of whichever version, as a mapping of its fields.

        Args:
            request: a ``ServerReflectionRequest``.
            sent: the files that the stream has brought already; they are not sent again, but for
                the one that is asked for, and new ones are added. None sends all.
        """
        reply = {"valid_host": request.host, "original_request": request}
        kind = request.WhichOneof("message_request")
        if kind is None:
            return reply | _error(Code.INVALID_ARGUMENT, "the request has no question in it")
        try:
            return reply | self._answer(kind, getattr(request, kind), sent)
        except _NotFound as exc:
            return reply | _error(Code.NOT_FOUND, str(exc))

    def _answer(self, kind: str, asked: Any, sent: set[str] | None) -> dict[str, Any]:
        match kind:
            case "list_services":
                names = [{"name": name} for name in self._names]
                return {"list_services_response": {"service": names}}
            case "file_by_filename":
                return self._reply(asked if asked in self._files else None, asked, sent)
            case "file_containing_symbol":
                return self._reply(self._symbols.get(asked), asked, sent)
            case "file_containing_extension":
                name, number = asked.containing_type, asked.extension_number
                found = self._extensions.get(name, {}).get(number)
                return self._reply(found, f"extension {number} of {name}", sent)
            case _:
                return {"all_extension_numbers_response": self._numbers(asked)}

    def _numbers(self, name: str) -> dict[str, Any]:
        if name not in self._symbols and name not in self._extensions:
            raise _NotFound(f"no {name!r} is known here")
        return {
            "base_type_name": name,
            "extension_number": sorted(self._extensions.get(name, {})),
        }

    def _reply(self, name: str | None, asked: str, sent: set[str] | None) -> dict[str, Any]:
        if name is None:
            raise _NotFound(f"no {asked!r} is known here")
        found: list[bytes] = []
        room = MAX_REPLY
        for other in self._with_imports(name):
            data = self._files[other].data
            known = sent is not None and other in sent and other != name
            if known or (found and len(data) > room):
                continue
            found.append(data)
            room -= len(data)
            if sent is not None:
                sent.add(other)
        return {"file_descriptor_response": {"file_descriptor_proto": found}}

    def _with_imports(self, name: str) -> list[str]:
        names = {name: None}
        pending = [name]
        for one in pending:  # grows
            for other in self._files[one].file.imports:
                if other not in names and other in self._files:
                    names[other] = None
                    pending.append(other)
        return list(names)

    def _is_kept(self, name: str, file: _Served) -> bool:
        """Whether what is served by this name is this very file."""
        kept = self._files.get(name)
        return kept is not None and (kept.file.data == file.file.data or name.startswith(_ENGINE))

    def _add(self, name: str, new: _Served) -> None:
        problem = self._problem(name, new)
        if problem is not None and new.service is not None:
            raise SchemaError(self._clash(new.service, *problem))
        if problem is None and name not in self._files:
            self._files[name] = new
            self._symbols.update(dict.fromkeys(new.symbols, name))
            for extended, number in new.extensions:
                self._extensions.setdefault(extended, {})[number] = name

    def _problem(self, name: str, new: _Served) -> tuple[str, str] | None:
        """What is known already and contradicts a file: the other file, and in which way."""
        known = self._files.get(name)
        if known is not None:
            # Each engine brings copies of its own that differ in nothing that counts.
            same = known.file.data == new.file.data or name.startswith(_ENGINE)
            return None if same else (name, f"each has another {name}")
        for symbol in new.symbols:
            other = self._symbols.get(symbol)
            if other is not None and other != name:
                return other, f"{other} and {name} both declare {symbol}"
        return None

    def _clash(self, service: Service, file: str, how: str) -> str:
        other = self._files[file].service
        assert other is not None  # the files that no service needs are added last
        return (
            f"{other.name} of {other.schema.name} and {service.name} of {service.schema.name}"
            f" cannot be reflected by one server: {how}"
        )


def _files(schema: Schema) -> dict[str, _Served]:
    """The files of a schema, with what each declares."""
    served = {name: _Served(data, read_file(data), [], []) for name, data in schema.files().items()}
    for name, descriptor in schema.symbols().items():
        file = served[_file_of(descriptor)]
        file.symbols.append(name)
        if getattr(descriptor, "is_extension", False):
            extended = descriptor.containing_type.full_name
            file.extensions.append((extended, descriptor.number))
    return served


def _file_of(descriptor: Any) -> str:
    for holder in ("file", "containing_service", "containing_type", "type"):
        found = getattr(descriptor, holder, None)
        if found is not None:
            return str(found.name) if holder == "file" else _file_of(found)
    raise AssertionError(f"{descriptor} is in no file")


def _closure(service: Service) -> Iterator[str]:
    """The file of a service, and all that it imports."""
    first = service.descriptor.file
    names = {first.name}
    pending = [first]
    for one in pending:  # grows
        yield one.name
        for other in one.dependencies:
            if other.name not in names:
                names.add(other.name)
                pending.append(other)


def _error(code: Code, message: str) -> dict[str, Any]:
    return {"error_response": {"error_code": int(code), "error_message": message}}
