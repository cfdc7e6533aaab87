"""SHA-256 without the 3 ms that ``hashlib`` takes to bring in OpenSSL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    # The interpreter's own implementation: _sha2 since Python 3.12, _sha256 before. A build
    # without it (some distributions' FIPS ones) has OpenSSL's.
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256

__all__ = ["sha256"]
