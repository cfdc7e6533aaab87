"""``ttrpc ps``: the shims of this host, and whether each answers."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from toolkit.cli.arguments import columns
from toolkit.cli.errors import SUCCESS, UsageError
from toolkit.cli.output import data, note, printable
from toolkit.cli.shimtable import WIDE, Row, table
from toolkit.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.cli.arguments import Options
    from toolkit.shim.finding.found import Found
    from toolkit.shim.finding.health import Health

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = ""
FLAGS = ("namespace", "json")
ABOUT = """\
List the shims of this host: those of containerd's bundles, wherever its state
is, and those that only their processes tell of. One that died and left its
bundle is there too.

STATE is the process's: R running, S sleeping, D stuck in the kernel, T stopped,
Z dead and not reaped. ANSWERS is the time that connecting and a Connect took,
at most 1 s: silent (no reply in time), refused (nobody listens at the socket),
gone (no socket), denied (it takes another user), closed (it hung up). Nothing
but Connect is sent. A terminal gets what fits it; a pipe, and --json, all."""

_NAMESPACE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)  # containerd's own rule, more or less
_SHOWN = 3  # oddities, each a line on stderr; -v has them all


def run(options: Options) -> int:
    """Print one shim a line, sorted."""
    from toolkit.shim.finding.ask import ask_all  # protobuf, which `--help` does without
    from toolkit.shim.finding.discovery import discover

    if options.arguments:
        raise UsageError(f"ps takes no arguments, not {options.arguments[0]!r}")
    if options.namespace is not None and not _NAMESPACE.fullmatch(options.namespace):
        raise UsageError(f"-n {options.namespace!r} is no namespace")
    shims = discover(namespace=options.namespace)
    asked = list(zip(shims, ask_all(shims), strict=True))
    if options.json:
        import json

        data(json.dumps([_as_json(*one) for one in asked], indent=2))
    elif asked:
        data(table([_as_row(*one) for one in asked], columns(default=WIDE)))
    _note_oddities(shims, options)
    return SUCCESS


def _note_oddities(shims: Sequence[Found], options: Options) -> None:
    if not shims:
        where = f" of namespace {options.namespace}" if options.namespace is not None else ""
        note(f"No shims{where} are seen{'' if os.geteuid() == 0 else '; root may see more'}.")
    lines = [f"Note: {one.name}: {one.problem}" for one in shims if one.problem]
    shown = lines if options.verbose else lines[:_SHOWN]
    for line in shown:
        note(line)
    if len(lines) > len(shown):
        note(f"Note: {len(lines) - len(shown)} more have something odd; -v tells.")


def _as_row(found: Found, health: Health) -> Row:
    task = health.task if health.task is not None else found.task
    return Row(
        printable(found.namespace),
        printable(found.id),
        str(found.pid) if found.pid is not None else "-",
        health.state or "-",
        f"v{task}" if task is not None else "-",
        _answer(found, health),
        printable(found.binary) or "-",
        printable(found.address) or "-",
    )


def _answer(found: Found, health: Health) -> str:
    from toolkit.shim.finding.health import Answer

    if health.answer is Answer.UNASKED:
        return "-" if found.protocol == "ttrpc" else found.protocol
    if health.answer is not Answer.ANSWERED or health.seconds is None:
        return str(health.answer.value)
    # A status is an answer: a shim without a container of this id may well say so.
    if health.task is None and isinstance(health.error, RpcError):
        return "no Task"
    return f"{health.seconds * 1000:.1f} ms"


def _as_json(found: Found, health: Health) -> dict[str, Any]:
    return {
        "namespace": found.namespace,
        "id": found.id,
        "pid": found.pid,
        "state": health.state or None,
        "task": health.task if health.task is not None else found.task,
        "answer": health.answer.value,
        "seconds": round(health.seconds, 6) if health.seconds is not None else None,
        "error": str(health.error) if health.error is not None else None,
        "binary": found.binary or None,
        "version": found.version or None,
        "address": found.address or None,
        "bundle": found.bundle or None,
        "protocol": found.protocol,
        "problem": found.problem or None,
    }
