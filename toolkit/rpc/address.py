"""Addresses: where a channel connects to, and where a server listens."""

from __future__ import annotations

from typing import NamedTuple

from toolkit.errors import AddressError

__all__ = ["SCHEMES", "Address", "parse"]

SCHEMES = ("unix", "vsock", "hvsock", "tcp")

MAX_UNIX_PATH = 107  # sun_path has 108 bytes, and a path ends with a NUL
_MAX_PORT = 65535
_MAX_U32 = (1 << 32) - 1


class Address(NamedTuple):
    """A parsed address.

    ``path`` is a file system path, or for an abstract socket its name after a ``@``; ``host`` is
    a host name, or for vsock the context id. Whichever a scheme does not have is empty.
    """

    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.scheme == "unix":
            return f"unix://{self.path}"
        if self.scheme == "hvsock":
            return f"hvsock://{self.path}:{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_abstract(self) -> bool:
        """Whether this is a name in Linux's abstract namespace, not a file."""
        return self.scheme == "unix" and self.path.startswith("@")


def parse(text: str) -> Address:
    """Read ``unix:///path``, ``unix://@abstract``, ``vsock://cid:port``, ``hvsock:///path:port``
    or ``tcp://host:port``.

    Raises:
        AddressError: it is none of these.
    """  # noqa: D205  # the list of forms is one sentence
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise AddressError(text, _bare_hint(text))
    match scheme:
        case "unix":
            return _unix(text, rest)
        case "hvsock":
            path, port = _split_port(text, rest)
            _check_path(text, path)
            return Address("hvsock", path=path, port=_number(text, "port", port, _MAX_U32))
        case "vsock":
            cid, port = _split_port(text, rest)
            # Rust writes -1 for "any context id"; the kernel's number for it is 2^32-1.
            host = str(_MAX_U32) if cid == "-1" else str(_number(text, "context id", cid, _MAX_U32))
            return Address("vsock", host=host, port=_number(text, "port", port, _MAX_U32))
        case "tcp":
            host, port = _split_port(text, rest)
            host = host.removeprefix("[").removesuffix("]")
            if not host:
                raise AddressError(text, "there is no host before the port")
            return Address("tcp", host=host, port=_number(text, "port", port, _MAX_PORT))
        case _:
            raise AddressError(text, f"{scheme!r} is none of {', '.join(SCHEMES)}")


def _bare_hint(text: str) -> str:
    if text.startswith(("/", "@")):
        return f"write unix://{text}"
    return f"it has no scheme; addresses start with {', '.join(f'{s}://' for s in SCHEMES)}"


def _unix(text: str, path: str) -> Address:
    if path.startswith("@"):
        if len(path) == 1:
            raise AddressError(text, "there is no name after the @")
        if not _can_be_encoded(path):
            raise AddressError(text, "the name cannot be one: it has half a character")
        if len(_encoded(path)) > MAX_UNIX_PATH + 1:
            raise AddressError(text, f"an abstract name has at most {MAX_UNIX_PATH} bytes")
        return Address("unix", path=path)
    _check_path(text, path)
    return Address("unix", path=path)


def _check_path(text: str, path: str) -> None:
    if not path.startswith("/"):
        raise AddressError(text, "the path must be absolute, as in unix:///run/x.sock")
    if "\0" in path:
        raise AddressError(text, "the path has a NUL byte")
    if not _can_be_encoded(path):
        raise AddressError(text, "the path cannot be one: it has half a character")
    size = len(_encoded(path))
    if size > MAX_UNIX_PATH:
        raise AddressError(
            text, f"the path has {size} bytes, a unix socket's at most {MAX_UNIX_PATH}"
        )


def _can_be_encoded(path: str) -> bool:
    try:
        _encoded(path)
    except UnicodeEncodeError:
        return False
    return True


def _encoded(path: str) -> bytes:
    # As the file system has it: a name need not be UTF-8 (os.fsencode).
    return path.encode(errors="surrogateescape")


def _split_port(text: str, rest: str) -> tuple[str, str]:
    head, separator, port = rest.rpartition(":")
    if not separator:
        raise AddressError(text, "there is no port; it comes last, after a colon")
    return head, port


def _number(text: str, what: str, digits: str, highest: int) -> int:
    if not (digits.isascii() and digits.isdigit()) or int(digits) > highest:
        raise AddressError(text, f"the {what} is {digits!r}, not a number up to {highest}")
    return int(digits)
