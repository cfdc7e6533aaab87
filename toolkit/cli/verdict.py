"""What is wrong with a shim, from what was seen of it; nothing is looked at here."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import RpcError
from toolkit.shim.finding.health import Answer, Health
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.shim.finding.found import Found

__all__ = ["Seen", "Socket", "Verdict", "verdict"]


class Socket(enum.Enum):
    """What is where a shim should listen."""

    LISTENS = "listens"
    STALE = "a socket file that nobody listens at"
    ABSENT = "there is no such file"
    NO_SOCKET = "a file, no socket"
    UNSEEN = "permission denied"
    ELSEWHERE = "no unix socket: who serves it cannot be told"
    NOWHERE = "not known"


class Seen(NamedTuple):
    """What was seen of a shim.

    Attributes:
        found: the shim.
        socket: what is at its address.
        state: of its process: R, S, D, T, t, Z …; empty where that is not seen.
        is_go: whether it is a Go program.
        connect: what came of the three calls; None for one that was not made.
        init: the number of the container's first process, by State; None where it has none.
        init_state: of that process; empty where there is none.
        sees_init: whether its number is one that this host knows.
    """

    found: Found
    socket: Socket
    state: str = ""
    is_go: bool = False
    connect: Health | None = None
    call_state: Health | None = None
    call_pids: Health | None = None
    init: int | None = None
    init_state: str = ""
    sees_init: bool = False


class Verdict(NamedTuple):
    """The end of it: whether all is well, and a sentence."""

    healthy: bool
    text: str


def verdict(seen: Seen) -> Verdict:
    """The first thing that is wrong, the nearest to the cause in front."""
    for look in (_of_process, _of_socket, _of_connect, _of_calls, _of_container, _of_bundle):
        text = look(seen)
        if text:
            return Verdict(healthy=False, text=text)
    return Verdict(healthy=True, text=_well(seen))


def _of_process(seen: Seen) -> str:
    pid = seen.found.pid
    match seen.state:
        case "T":
            return f"stopped by a signal; kill -CONT {pid} lets it go on"
        case "t":
            return f"stopped by a debugger; see TracerPid in /proc/{pid}/status"
        case "D" if not _answered(seen.connect):
            return (
                f"stuck in the kernel, where no signal reaches it; cat /proc/{pid}/stack tells "
                "where: mostly a disk, a network file system or a cgroup"
            )
        case "Z" | "X":
            return (
                f"dead, and its parent has not reaped it; see PPid in /proc/{pid}/status, and "
                f"{_remove(seen.found)}"
            )
        case _:
            return ""


def _of_socket(seen: Seen) -> str:
    found = seen.found
    match seen.socket:
        case Socket.NOWHERE:
            return f"its socket is not known: {found.problem or 'nothing tells it'}"
        case Socket.STALE:
            path = found.address.removeprefix("unix://")
            return f"dead: it ended and left its socket; {_remove(found)}, then rm {path}"
        case Socket.ABSENT if found.pid is not None:
            return (
                f"cut off: process {found.pid} lives, but its socket file is gone, so nobody else "
                "can connect; its container may run, and containerd still have its connection: "
                f"see ctr -n {found.namespace} task ls first. "
                f"To end both, which kills the container: {_force(found)}, then kill {found.pid}"
            )
        case Socket.ABSENT:
            return f"gone: there is no socket, nor a process; {_remove(found)}"
        case Socket.NO_SOCKET:
            return "no shim: that is a file and no socket; ttrpc ps lists shims"
        case _:
            return ""


def _of_connect(seen: Seen) -> str:
    health = seen.connect
    answer = health.answer if health is not None else Answer.UNASKED
    text = ""
    match answer:
        case Answer.SILENT:
            text = f"silent: it takes connections and does not answer; {_silent(seen)}"
        case Answer.REFUSED | Answer.GONE:
            text = f"dead: nobody listens there; {_remove(seen.found)}"
        case Answer.DENIED:
            text = "not yours to ask: its socket belongs to another user; run this as root"
        case Answer.CLOSED:
            text = (
                "it hung up without an answer: it has just ended, or is no TTRPC server "
                "(containerd's own containerd.sock speaks gRPC); ask once more, see its log"
            )
        case Answer.FAILED | Answer.UNASKED:
            error = health.error if health is not None else None
            text = f"not asked: {error or _why_unasked(seen.found)}"
        case Answer.ANSWERED:
            assert health is not None
            text = _of_task(seen, health)
    return text


def _of_task(seen: Seen, health: Health) -> str:
    """What a shim that answers says of its Task service."""
    if health.task is None:
        return (
            "no Task service: it answers, and has neither v3 nor v2; "
            f"ttrpc list {seen.found.address} tells what it has"
        )
    if isinstance(health.error, RpcError):
        return _refused("Connect", health.error, seen.found)
    said = seen.found.task
    if said is not None and health.task != said:
        return (
            f"it speaks task v{health.task}, and its bundle says v{said}: containerd will call "
            f"v{said}; is bootstrap.json, or the shim's binary, of another release?"
        )
    return ""


def _of_calls(seen: Seen) -> str:
    for name, health in (("State", seen.call_state), ("Pids", seen.call_pids)):
        if health is None:
            continue
        if health.answer is Answer.SILENT:
            return (
                f"half alive: it answers Connect, but not {name}: it waits for a lock or for its "
                f"runtime; ps --ppid {_pid(seen)} tells if a runc hangs{_stacks(seen)}"
            )
        if health.answer is not Answer.ANSWERED:
            return f"it went away at {name}: {health.error}; see its log"
    return _of_state(seen)


def _of_state(seen: Seen) -> str:
    for name, health in (("State", seen.call_state), ("Pids", seen.call_pids)):
        if health is not None and isinstance(health.error, RpcError):
            return _refused(name, health.error, seen.found)
    return ""


def _refused(name: str, error: RpcError, found: Found) -> str:
    if error.code is Code.NOT_FOUND:
        return (
            f"empty: it lives and has no container {found.id!r}: not created yet, deleted, or of "
            f"another namespace than {found.namespace!r}; -n sets it"
        )
    return f"{name} fails: {error}; see its log"


def _of_container(seen: Seen) -> str:
    if seen.init is None or not seen.sees_init or _status(seen) not in {"RUNNING", "PAUSED"}:
        return ""
    match seen.init_state:
        case "":
            return (
                f"it has missed an exit: it says that process {seen.init} runs, and there is none; "
                f"{_remove(seen.found)}"
            )
        case "Z":
            return (
                f"it has missed an exit: process {seen.init} of the container is dead and not "
                f"reaped; is the shim its parent? See PPid in /proc/{seen.init}/status"
            )
        case "D" if _status(seen) == "RUNNING":  # one that is paused may be in this state
            return (
                f"the shim is well, its container is stuck in the kernel: cat "
                f"/proc/{seen.init}/stack tells where"
            )
        case _:
            return ""


def _of_bundle(seen: Seen) -> str:
    if not seen.found.problem:
        return ""
    return f"it answers, but containerd may not find it after a restart: {seen.found.problem}"


def _well(seen: Seen) -> str:
    status = _status(seen)
    found = seen.found
    match status:
        case "STOPPED":
            return (
                "healthy; its container has ended and waits to be deleted: "
                f"ctr -n {found.namespace} task rm {found.id}"
            )
        case "PAUSED":
            return (
                "healthy; its container is paused: "
                f"ctr -n {found.namespace} task resume {found.id} lets it go on"
            )
        case "":
            return "healthy as far as was asked: it answers"
        case _:
            return f"healthy; its container is {status}"


def _status(seen: Seen) -> str:
    """The container's, by State; empty where that is not known."""
    reply = seen.call_state.reply if seen.call_state is not None else None
    if reply is None:
        return ""
    field = reply.DESCRIPTOR.fields_by_name["status"]
    value = field.enum_type.values_by_number.get(reply.status)
    return str(value.name) if value is not None else str(reply.status)


def _silent(seen: Seen) -> str:
    pid = _pid(seen)
    if seen.state == "R":
        return f"it is busy: top -H -p {pid} tells with what{_stacks(seen)}"
    if not seen.state:
        return "its process is not seen: run this as root, where it runs"
    return f"it hangs: cat /proc/{pid}/wchan, and its log, may tell{_stacks(seen)}"


def _stacks(seen: Seen) -> str:
    # containerd pkg/shim/shim_unix.go. What is no Go program would die of the signal.
    return f"; kill -USR1 {_pid(seen)} has it write its stacks to its log" if seen.is_go else ""


def _pid(seen: Seen) -> str:
    return str(seen.found.pid) if seen.found.pid is not None else "PID"


def _remove(found: Found) -> str:
    if not found.id:
        return "ttrpc ps lists the shims that are there"
    return f"containerd clears up when it starts again, or: {_force(found)}"


def _force(found: Found) -> str:
    return f"ctr -n {found.namespace} task rm --force {found.id}"


def _why_unasked(found: Found) -> str:
    if found.protocol != "ttrpc":
        return f"it speaks {found.protocol}, not ttrpc"
    return found.problem or "its address is not known"


def _answered(health: Health | None) -> bool:
    return health is not None and health.answer is Answer.ANSWERED
