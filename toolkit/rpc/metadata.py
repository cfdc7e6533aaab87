"""Metadata: the key-value pairs that travel with a Request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Metadata", "MetadataLike", "pairs_of"]

MetadataLike: TypeAlias = "Mapping[str, str | Sequence[str]] | Metadata"


def pairs_of(metadata: MetadataLike | None) -> list[tuple[str, str]]:
    """The pairs to send, keys in lower case; a key without values sends nothing.

    Raises:
        TypeError: a key or a value that is not text. TTRPC has no binary metadata.
    """
    if not metadata:
        return []
    if not hasattr(metadata, "items"):
        raise TypeError(
            f"metadata is a {type(metadata).__name__}, {metadata!r}; "
            'wanted a mapping: {"key": "value"}'
        )
    pairs: list[tuple[str, str]] = []
    for key, values in metadata.items():
        if not isinstance(key, str):
            raise TypeError(f"metadata key {key!r}: a key is text, not {type(key).__name__}")
        if not key:
            raise TypeError("a metadata key is empty")
        for value in _several(values):
            if not isinstance(value, str):
                raise TypeError(
                    f"metadata {key!r}: a value is text, not {type(value).__name__}"
                    " (TTRPC has no binary metadata)"
                )
            pairs.append((key.lower(), value))
    _refuse_surrogates(pairs)
    return pairs


def _refuse_surrogates(pairs: list[tuple[str, str]]) -> None:
    for key, value in pairs:
        try:
            (key + value).encode()
        except UnicodeEncodeError as exc:
            raise TypeError(f"metadata {key!r}: {value!r} is no text that UTF-8 can hold") from exc


def _several(values: object) -> Iterable[object]:
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, bytearray)):
        return values
    return (values,)


class Metadata:
    """What a handler sees: values by key, in the order in which they were sent.

    Keys compare in lower case, also those that a peer sent otherwise: Go's server keeps ``A`` and
    ``a`` apart, and its ``Get`` never finds ``A``.
    """

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = [(key.lower(), value) for key, value in pairs]

    def get(self, key: str, default: str | None = None) -> str | None:
        """The first value of a key."""
        key = key.lower()
        return next((value for name, value in self._pairs if name == key), default)

    def get_all(self, key: str) -> list[str]:
        """All values of a key."""
        key = key.lower()
        return [value for name, value in self._pairs if name == key]

    def items(self) -> list[tuple[str, str]]:
        """All pairs; a key with several values comes several times."""
        return list(self._pairs)

    def keys(self) -> list[str]:
        """Every key once."""
        return list(dict.fromkeys(key for key, _ in self._pairs))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and any(name == key.lower() for name, _ in self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Metadata) and self._pairs == other._pairs

    __hash__ = None  # type: ignore[assignment]  # it compares by value and may grow

    def __repr__(self) -> str:
        return f"Metadata({self._pairs!r})"
