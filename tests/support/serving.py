"""A server as a program: FLAVOUR, an address or the number of a descriptor, and what is spare.

The last one is how many more file descriptors it may open once it serves.
"""

from __future__ import annotations

import logging
import resource
import sys
from pathlib import Path
from typing import Any

from tests.support.echo import ECHO
from tests.support.flavours import every_flavour


class Echo:
    """Answers with what it got."""

    def Unary(self, request: Any, context: Any) -> Any:
        return request


def main(name: str, target: str, spare: str = "") -> None:
    """Serve until stdin ends."""
    logging.basicConfig()
    [flavour] = [flavour for flavour in every_flavour() if flavour.name == name]
    address = int(target) if target.isdigit() else target
    with flavour.serving(address, {ECHO: Echo()}) as (_, bound), flavour.connect(bound) as channel:
        channel.call(ECHO["Unary"])  # what it opens when it is first needed is open now
        if spare:
            limit = len(list(Path("/proc/self/fd").iterdir())) + int(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        print(bound, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
