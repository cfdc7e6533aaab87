"""How each kind of peer is built, into an empty folder of its own."""

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.interop.peers import INTEROP, folder
from tests.interop.peers.commands import BuildFailed, go_environment, run

__all__ = ["build_go", "build_module", "build_rust", "programs", "sources"]

Entry = Mapping[str, object]
SCHEMA = INTEROP / "interop.proto"
RUST = INTEROP / "rust"
# As releases are linked: without symbol tables; and the same wherever the sources are.
GO_BUILD = ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
GENERATOR = "google.golang.org/protobuf/cmd/protoc-gen-go"


def programs(kind: str, entry: Entry) -> list[str]:
    """The file names of the programs that an entry of peers.toml gives."""
    match kind:
        case "go":
            return ["peer"]
        case "rust":
            return _strings(entry, "programs")
        case _:
            return [package.rpartition("/")[2] for package in _strings(entry, "packages")]


def sources(kind: str, entry: Entry) -> list[Path]:
    """The files of ours that such a peer is made from."""
    if kind == "module":
        return []
    root = _go_folder(entry) if kind == "go" else RUST
    ours = (path for path in root.rglob("*") if path.is_file() and "target" not in path.parts)
    return [SCHEMA, *sorted(ours)]


def build_go(entry: Entry, out: Path) -> None:
    """Build ``peer`` from the entry's folder, over what its module file names."""
    source = _go_folder(entry)
    modfile = source / str(entry["modfile"])
    required = re.findall(r"^\s*([\w./-]+) (v\S+)", modfile.read_text(), re.MULTILINE)
    _check_pins(entry, modfile, required)
    environment = go_environment()
    build = (*GO_BUILD, f"-modfile={modfile}")

    generator = out / "protoc-gen-go"
    run([*build, "-o", generator, GENERATOR], source, environment)
    generated = _generate_go(generator, out)
    # The generated file stays out of the source tree; Go sees it there all the same.
    overlay = out / "overlay.json"
    seen = source / "pb" / generated.name
    overlay.write_text(json.dumps({"Replace": {str(seen): str(generated)}}))
    tags = f"-tags={entry.get('tags', '')}"
    run([*build, tags, f"-overlay={overlay}", "-o", out / "peer", "."], source, environment)


def _go_folder(entry: Entry) -> Path:
    return INTEROP / str(entry.get("folder", "go"))


def _generate_go(generator: Path, out: Path) -> Path:
    command = [
        *(sys.executable, "-m", "grpc_tools.protoc", f"-I{SCHEMA.parent}"),
        f"--plugin=protoc-gen-go={generator}",
        f"--go_out={out}",
        f"--go_opt=paths=source_relative,M{SCHEMA.name}=interop/pb",
        SCHEMA.name,
    ]
    run(command, out, os.environ)
    return out / f"{SCHEMA.stem}.pb.go"


def build_rust(entry: Entry, out: Path) -> None:
    """Build the programs of rust/; cargo's own folder is kept, for the next time."""
    lock = RUST / "Cargo.lock"
    packages = tomllib.loads(lock.read_text())["package"]
    _check_pins(entry, lock, ((package["name"], package["version"]) for package in packages))

    target = folder() / "cargo"
    run(["cargo", "build", "--release", "--locked", "--target-dir", target], RUST, os.environ)
    for name in programs("rust", entry):
        (out / name).write_bytes((target / "release" / name).read_bytes())
        (out / name).chmod(0o755)


def build_module(entry: Entry, out: Path) -> None:
    """Build commands of a published module, in a module of our own.

    ``go install PACKAGE@VERSION`` refuses a module with ``replace`` lines, as containerd's
    had until 2.1; as the tool of another module it builds without them.
    """
    environment = go_environment()
    packages = _strings(entry, "packages")
    run(["go", "mod", "init", "peers"], out, environment)
    for package in packages:
        run(["go", "get", "-tool", f"{package}@{entry['version']}"], out, environment)
    run([*GO_BUILD, "-o", f"{out}{os.sep}", *packages], out, environment)


def _check_pins(entry: Entry, lock: Path, locked: Iterable[tuple[str, str]]) -> None:
    pins = entry["pins"]
    assert isinstance(pins, dict)
    versions = dict(locked)
    for name, version in pins.items():
        if versions.get(name) != version:
            raise BuildFailed(
                f"{lock.name} has {name} {versions.get(name)}, peers.toml pins {version}: "
                "change one of them"
            )


def _strings(entry: Entry, key: str) -> list[str]:
    value = entry[key]
    assert isinstance(value, list)
    return value
