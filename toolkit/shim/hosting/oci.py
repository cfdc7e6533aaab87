"""What to run: the process of an OCI bundle's ``config.json``, and of an Exec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.errors import RpcError
from toolkit.status import Code

__all__ = ["PROCESS_TYPE", "ProcessSpec", "exec_process", "init_process"]

# The type URL that containerd gives the JSON of an Exec's process: typeurl.Register of
# specs.Process, prefix "types.containerd.io/opencontainers/runtime-spec", major version 1.
PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"


class ProcessSpec(NamedTuple):
    """A program with its arguments, environment and working directory."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str


def init_process(bundle: str) -> ProcessSpec:
    """The process that the bundle's ``config.json`` describes.

    Raises:
        RpcError: INVALID_ARGUMENT, there is no such file or it describes no process.
    """
    if not bundle or "\0" in bundle:
        raise _refuse(f"bundle is {bundle!r}, wanted the path of a folder with a config.json")
    path = Path(bundle) / "config.json"
    try:
        text = path.read_bytes()
    except OSError as exc:
        raise _refuse(f"cannot read {path}: {exc.strerror}; every bundle has one") from exc
    config = _parse(text, str(path))
    if not isinstance(config, dict) or "process" not in config:
        raise _refuse(f"{path} has no 'process'")
    return _process(config["process"], f"{path}: process")


def exec_process(type_url: str, value: bytes) -> ProcessSpec:
    """The process in the ``spec`` of an ExecProcessRequest.

    Raises:
        RpcError: INVALID_ARGUMENT, it is something else, or describes no process.
    """
    if type_url.removeprefix("type.googleapis.com/") != PROCESS_TYPE:
        raise _refuse(f"spec holds {type_url or 'nothing'!r}, wanted {PROCESS_TYPE}")
    return _process(_parse(value, "spec"), "spec")


def _parse(text: bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:  # UnicodeDecodeError too
        raise _refuse(f"{where} is not JSON: {exc}") from exc


def _process(value: Any, where: str) -> ProcessSpec:
    if not isinstance(value, dict):
        raise _refuse(f"{where} is {_kind(value)}, wanted an object")
    if value.get("terminal"):
        raise RpcError(Code.UNIMPLEMENTED, f"{where}.terminal: host processes get no terminal here")
    args = _strings(value, "args", where)
    if not args or not args[0]:
        raise _refuse(f"{where}.args names no program")
    env = _strings(value, "env", where)
    for entry in env:
        if "=" not in entry[1:]:
            raise _refuse(f"{where}.env has {entry!r}, wanted NAME=value")
    return ProcessSpec(args, env, _cwd(value, where))


def _strings(process: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = process.get(key) or []  # Go writes null for an empty list
    if not isinstance(values, list):
        raise _refuse(f"{where}.{key} is {_kind(values)}, wanted a list of strings")
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise _refuse(f"{where}.{key}[{index}] is {_kind(value)}, wanted a string")
        if "\0" in value or _has_lone_surrogate(value):
            raise _refuse(f"{where}.{key}[{index}] is {value!r}, which no program can be given")
    return tuple(values)


def _has_lone_surrogate(text: str) -> bool:  # JSON can write one, UTF-8 cannot
    return any("\ud800" <= char <= "\udfff" for char in text)


def _cwd(process: dict[str, Any], where: str) -> str:
    cwd = process.get("cwd") or "/"
    if not isinstance(cwd, str) or not cwd.startswith("/"):
        raise _refuse(f"{where}.cwd is {cwd!r}, wanted an absolute path")
    if not Path(cwd).is_dir():
        raise _refuse(f"{where}.cwd {cwd!r} is no directory of this host")
    return cwd


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), f"{value!r}")


def _refuse(reason: str) -> RpcError:
    return RpcError(Code.INVALID_ARGUMENT, reason)
