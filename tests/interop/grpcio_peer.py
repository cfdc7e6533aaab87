"""gRPC reflection by grpcio: ``python -m tests.interop.grpcio_peer --address ADDRESS`` serves.

It describes every service of a release out of the schema's own pool. None of them is implemented:
reflection lists the names that it is given.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

import toolkit

__all__ = ["RELEASE"]

RELEASE = "containerd@2.3"


def main() -> None:
    """Serve until stdin ends; one line of JSON says what a client dials."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.grpcio_peer")
    parser.add_argument("--address", required=True, help="unix:///PATH or tcp://HOST:PORT")
    address: str = parser.parse_args().address

    schema = toolkit.load(RELEASE)
    names = [service.name for service in schema.services()]
    # Each client keeps a thread while its stream of questions is open.
    server = grpc.server(ThreadPoolExecutor(4))
    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server, pool=schema.pool)
    target = _listen(server, address)
    server.start()
    print(json.dumps({"listening": target}), flush=True)
    sys.stdin.read()
    server.stop(None).wait()


def _listen(server: Any, address: str) -> str:
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        server.add_insecure_port(address)
        return address
    port = server.add_insecure_port(place)
    return f"{place.rpartition(':')[0]}:{port}"


if __name__ == "__main__":
    main()
