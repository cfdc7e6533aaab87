"""Builds the peers that are missing or out of date: ``python -m tests.interop.peers [NAME...]``."""

import argparse
import fcntl
import hashlib
import json
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.interop.peers import INTEROP, folder
from tests.interop.peers.commands import BuildFailed, toolchain
from tests.interop.peers.recipes import (
    Entry,
    build_go,
    build_module,
    build_rust,
    programs,
    sources,
)

RECIPES: dict[str, tuple[str, Callable[[Entry, Path], None]]] = {
    "rust": ("cargo", build_rust),  # first, for it takes longest
    "module": ("go", build_module),
    "go": ("go", build_go),
}


class Target(NamedTuple):
    kind: str
    name: str
    entry: Entry

    @property
    def home(self) -> Path:
        return folder() / self.name

    @property
    def programs(self) -> list[Path]:
        return [self.home / name for name in programs(self.kind, self.entry)]


def main() -> int:
    """Build, and say what was built and what was left out."""
    names = _parser().parse_args().names
    wanted = [target for target in _targets() if not names or target.name in names]
    unknown = set(names) - {target.name for target in wanted}
    if unknown:
        print(f"no peer {', '.join(sorted(unknown))} in peers.toml", file=sys.stderr)
        return 2
    with _one_at_a_time(), ThreadPoolExecutor(2) as pool:
        # Two at a time: one toolchain's linking and downloading leaves cores idle.
        complete = list(pool.map(_bring_up_to_date, wanted))
    print(f"peers are in {folder()}")
    return 0 if all(complete) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.peers", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="as in peers.toml; default: all")
    return parser


def _targets() -> list[Target]:
    table = tomllib.loads((INTEROP / "peers.toml").read_text())
    return [Target(kind, entry["name"], entry) for kind in RECIPES for entry in table[kind]]


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring_up_to_date(target: Target) -> bool:
    """False if the peer is not there afterwards and has to be."""
    tool, build = RECIPES[target.kind]
    version = toolchain(tool)
    if version is None:
        _say(f"{target.name}: left out, {tool} is not installed")
        return os.environ.get("INTEROP") != "required"
    stamp = target.home / ".stamp"
    digest = _digest(target, version)
    if stamp.is_file() and stamp.read_text() == digest and all(map(Path.is_file, target.programs)):
        _say(f"{target.name}: up to date")
        return True
    start = time.monotonic()
    try:
        _build(target, build, stamp, digest)
    except BuildFailed as failure:
        _say(f"{target.name}: failed: {failure}")
        return False
    _say(f"{target.name}: built in {time.monotonic() - start:.0f} s")
    return True


def _build(target: Target, build: Callable[[Entry, Path], None], stamp: Path, digest: str) -> None:
    target.home.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder()) as out:
        build(target.entry, Path(out))
        for program in target.programs:
            (Path(out) / program.name).replace(program)
    stamp.write_text(digest)


def _say(line: str) -> None:
    # In one piece: print writes the newline by itself, and two builds run at a time.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _digest(target: Target, version: str) -> str:
    """Of everything a rebuild depends on: the entry, the toolchain, the recipes, our sources."""
    digest = hashlib.sha256(json.dumps([target.entry, version], sort_keys=True).encode())
    recipes = Path(__file__).with_name("recipes.py")
    for path in [recipes, *sources(target.kind, target.entry)]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
