"""The status codes of a reply: gRPC's numbers and names, as TTRPC uses them."""

from __future__ import annotations

import enum

__all__ = ["Code"]


class Code(enum.IntEnum):
    """A canonical status code; ``str(code)`` is gRPC's name, ``code.go_name`` is Go's spelling.

    The set is open on the wire (Go passes any number through), so an error carries
    ``Code | int``: a number that is not listed here stays an int.
    """

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    def __str__(self) -> str:
        return self.name

    @property
    def go_name(self) -> str:
        """The name as Go's ``codes`` package and grpcurl print it: ``NotFound``."""
        if self is Code.OK:
            return "OK"
        if self is Code.CANCELLED:
            return "Canceled"
        return self.name.title().replace("_", "")

    @classmethod
    def of(cls, number: int) -> Code | int:
        """The listed code of this number, else the number itself."""
        try:
            return cls(number)
        except ValueError:
            return number
