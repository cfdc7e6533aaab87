"""Our reflection on a server of grpcio: ``python -m tests.interop.grpcio_ours --address ADDRESS``.

It tells of the tests' own service, whose file has comments, and of all of a release's. None of them
is implemented: reflection tells what it is given.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

import toolkit
from tests.interop.grpcio_peer import RELEASE
from tests.interop.service import INTEROP
from toolkit.reflection import enable_grpc

__all__ = ["SERVICES"]

SERVICES = [INTEROP, *toolkit.load(RELEASE).services()]


def main() -> None:
    """Serve until stdin ends; one line of JSON says what a client dials."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.grpcio_ours")
    parser.add_argument("--address", required=True, help="unix:///PATH or tcp://HOST:PORT")
    address: str = parser.parse_args().address

    server = grpc.server(ThreadPoolExecutor(4))  # a stream of questions keeps one
    enable_grpc(server, SERVICES)
    scheme, _, place = address.partition("://")
    port = server.add_insecure_port(address if scheme == "unix" else place)
    target = address if scheme == "unix" else f"{place.rpartition(':')[0]}:{port}"
    server.start()
    print(json.dumps({"listening": target}), flush=True)
    sys.stdin.read()
    server.stop(None).wait()


if __name__ == "__main__":
    main()
