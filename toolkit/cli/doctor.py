"""``ttrpc doctor``: a shim looked at step by step, and what is wrong with it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from toolkit.cli.address import resolve
from toolkit.cli.errors import FAILURE, SUCCESS, UsageError
from toolkit.cli.output import data, printable
from toolkit.errors import AddressError, NoSchema, RpcError, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.cli.arguments import Options
    from toolkit.cli.verdict import Seen, Socket
    from toolkit.shim.finding.found import Found
    from toolkit.shim.finding.health import Health

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "ADDRESS"
FLAGS = ("namespace",)
ABOUT = """\
Say what is wrong with the shim at ADDRESS, and what to try: is its socket
there, which process listens, in which state is that, and does it answer
Connect, State and Pids, each within 2 s. Nothing else is sent, and nothing is
changed.

ADDRESS is shim://NAMESPACE/ID, a bundle, a socket's path or URL. The namespace
is the shim's own, unless -n says another. Exit code 0 where the shim is
healthy, 1 where it is not."""

PATIENCE = 2.0  # seconds for each call

_STATES = {
    "R": "running",
    "S": "sleeping, as one that waits",
    "D": "waiting in the kernel, deaf to signals",
    "T": "stopped",
    "t": "stopped by a debugger",
    "Z": "dead, not reaped",
    "I": "idle",
    "X": "dead",
}


def run(options: Options) -> int:
    """Print a line a step, and the verdict."""
    from toolkit.cli.verdict import verdict

    if len(options.arguments) != 1:
        raise UsageError("doctor wants one ADDRESS; ttrpc ps lists the shims of this host")
    found = _found(options.arguments[0], options.namespace)
    healthy, text = verdict(_examined(found))
    _say("verdict", text)
    return SUCCESS if healthy else FAILURE


def _say(step: str, text: str) -> None:
    data(f"{step:<9} {printable(text)}")


def _found(argument: str, namespace: str | None) -> Found:
    """The shim that is meant; with only its address where nothing more is known of it."""
    from toolkit.shim.finding.discovery import discover
    from toolkit.shim.finding.found import Found

    found = _named(argument) if argument.startswith("shim://") else None
    if found is None:
        address = resolve(argument)
        here = [one for one in discover() if one.address == address]
        wanted = [one for one in here if namespace in {None, one.namespace}] or here
        # Of one that died and one that took its place, the one that lives is first.
        wanted.sort(key=lambda one: (one.bundle != argument.rstrip("/"), one.pid is None))
        found = wanted[0] if wanted else Found("", "", address=address)
        _say_shared(wanted)
    return found if namespace is None else found._replace(namespace=namespace)


def _named(argument: str) -> Found:
    """The shim of ``shim://NAMESPACE/ID``, also one that nobody can connect to.

    Raises:
        ShimNotFound: there is none, or there are several that live.
    """
    from toolkit.shim.finding.connecting import ShimNotFound, find, split_name
    from toolkit.shim.finding.discovery import discover

    try:
        namespace, id = split_name(argument)
    except AddressError as exc:
        raise UsageError(str(exc)) from exc
    try:
        return find(namespace, id, prefix=True)
    except ShimNotFound:
        known = discover(namespace=namespace, id=id)
        if len(known) != 1:
            raise
        return known[0]


def _say_shared(shims: Sequence[Found]) -> None:
    names = list(dict.fromkeys(one.name for one in shims))
    if len(names) > 1:
        _say("shared", f"by {joined(names, 'and')}; looking at the first")


def _examined(found: Found) -> Seen:
    """What is seen of a shim, each step told as it is taken."""
    from toolkit.cli.verdict import Seen, Socket
    from toolkit.shim.finding.gobuild import go_build
    from toolkit.shim.finding.running import process_state

    if found.id:
        _say("shim", f"{found.name}{f': {found.problem}' if found.problem else ''}")
    if found.bundle:
        _say("bundle", found.bundle)
    socket = _socket(found)
    _say("socket", f"{found.address or '-'}: {socket.value}")
    found = _owned(found)
    seen = Seen(found, socket)
    if found.pid is not None:
        build = go_build(f"/proc/{found.pid}/exe")
        state = process_state(found.pid)
        _say("process", f"{found.pid}, {state} ({_STATES.get(state, 'not seen')})")
        seen = seen._replace(state=state, is_go=build is not None)
    if socket in {Socket.ABSENT, Socket.NO_SOCKET, Socket.STALE, Socket.NOWHERE}:
        return seen
    return _asked(seen)


def _socket(found: Found) -> Socket:
    """What is at the address; nothing is connected to."""
    from toolkit.cli.verdict import Socket
    from toolkit.rpc.address import parse
    from toolkit.shim.finding.listeners import Listeners

    try:
        address = parse(found.address)
    except AddressError:
        return Socket.NOWHERE
    if address.scheme != "unix":
        return Socket.ELSEWHERE
    if Listeners(()).listens(address.path):
        return Socket.LISTENS
    if address.is_abstract:
        return Socket.ABSENT
    return _file(address.path, found)


def _file(path: str, found: Found) -> Socket:
    """What a file is that no socket of our network namespace is bound to."""
    from toolkit.cli.verdict import Socket

    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except PermissionError:
        return Socket.UNSEEN
    except OSError:
        return Socket.ABSENT
    if not stat.S_ISSOCK(mode):
        return Socket.NO_SOCKET
    # In another network namespace the kernel does not tell us; its process does.
    return Socket.LISTENS if found.pid is not None else Socket.STALE


def _owned(found: Found) -> Found:
    """With the process that listens, where it can be seen."""
    from toolkit.rpc.address import parse
    from toolkit.sockets.owner import owners

    text = ""
    if found.pid is None:
        try:
            owner = next(owners(parse(found.address)))
        except (AddressError, NoSchema) as exc:
            text = str(exc)
        else:
            found = found._replace(pid=owner.pid, binary=found.binary or owner.executable)
    if found.pid is not None:
        version = f" {found.version}" if found.version else ""
        text = f"pid {found.pid}, {found.binary or 'what it runs is not seen'}{version}"
    _say("owner", text)
    return found


def _asked(seen: Seen) -> Seen:
    from functools import partial

    from toolkit import load
    from toolkit.shim.finding.ask import ask
    from toolkit.shim.finding.health import Answer

    put = partial(ask, seen.found, timeout=PATIENCE, schema=load("containerd"))
    health = put()
    _say("Connect", _told(health, _of_connect))
    seen = seen._replace(connect=health, state=health.state or seen.state)
    if health.answer is not Answer.ANSWERED:
        return seen
    if not seen.found.id:
        _say("State", "not asked: it is not known whose shim it is; name it shim://NAMESPACE/ID")
        return seen
    health = put(question="State")
    _say("State", _told(health, _of_state))
    seen = seen._replace(call_state=health)
    health = put(question="Pids")
    _say("Pids", _told(health, _of_pids))
    return _with_init(seen._replace(call_pids=health))


def _with_init(seen: Seen) -> Seen:
    """With the state of the container's first process, if its number means something here."""
    from toolkit.shim.finding.running import process_state

    reply = seen.call_state.reply if seen.call_state is not None else None
    if reply is None or not reply.pid or seen.found.pid is None:
        return seen
    if not _shares_pids(seen.found.pid):
        return seen
    state = process_state(reply.pid)
    if state:
        _say("init", f"{reply.pid}, {state} ({_STATES.get(state, 'not seen')})")
    return seen._replace(init=reply.pid, init_state=state, sees_init=True)


def _shares_pids(pid: int) -> bool:
    try:
        ours, theirs = (os.stat(f"/proc/{one}/ns/pid").st_ino for one in ("self", pid))  # noqa: PTH116
    except OSError:
        return False
    return ours == theirs


def _told(health: Health, describe: Callable[[Any], str]) -> str:
    from toolkit.shim.finding.health import Answer

    if health.answer is Answer.SILENT:
        return f"silent: no reply within {PATIENCE:g} s"
    if health.seconds is None:
        return f"{health.answer.value}{f': {health.error}' if health.error is not None else ''}"
    if isinstance(health.error, RpcError):
        return f"{health.seconds * 1000:.1f} ms: {health.error}"
    return f"{health.seconds * 1000:.1f} ms: {describe(health.reply)}, task v{health.task}"


def _of_connect(reply: Any) -> str:
    return f"shim {reply.shim_pid}, container {reply.task_pid}"


def _of_state(reply: Any) -> str:
    status = reply.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
    name = status[reply.status].name if reply.status in status else str(reply.status)
    ended = f", exit status {reply.exit_status}" if name == "STOPPED" else ""
    return f"{name}, pid {reply.pid}{ended}"


def _of_pids(reply: Any) -> str:
    count = len(reply.processes)
    return f"{count} process{'' if count == 1 else 'es'}"
