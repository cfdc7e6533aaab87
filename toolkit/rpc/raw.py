"""A method of no schema: its messages are bytes, and go over as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from toolkit.schema.method import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from toolkit.schema.method import Method

__all__ = ["Raw", "raw_message", "raw_method"]


class Raw:
    """A message that nobody looks into.

    Attributes:
        data: what goes over the wire.
    """

    __slots__ = ("data",)

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def SerializeToString(self) -> bytes:  # noqa: N802  # as protobuf calls it
        """The bytes."""
        return self.data

    @classmethod
    def FromString(cls, data: bytes) -> Raw:  # noqa: N802
        """A message of these bytes."""
        return cls(data)


class _Service:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class _Method:
    __slots__ = ("kind", "name", "path", "reply", "request", "service")

    def __init__(self, service: str, name: str) -> None:
        self.service = _Service(service)
        self.name = name
        self.path = f"/{service}/{name}"
        self.kind = Kind.UNARY
        self.request = self.reply = Raw


def raw_message(data: bytes = b"") -> Message:
    """A message for such a method."""
    return cast("Message", Raw(data))


def raw_method(service: str, name: str) -> Method:
    """A unary method for ``channel.call``, whose message and reply are a ``Raw``."""
    return cast("Method", _Method(service, name))  # as much of one as a call looks at
