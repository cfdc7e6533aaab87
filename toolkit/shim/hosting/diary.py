"""What a container of the demo runtime tells of itself: events in their order, notes of its pids.

containerd's runtime-v2 documentation, "Events": create before start before exit before delete, and
so for an exec; also when a process ends before its Start has been answered.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from toolkit.errors import ToolkitError
from toolkit.shim import topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from toolkit.shim.hosting.host import Exit
    from toolkit.shim.serving.records import Records

__all__ = ["Diary", "Publish"]

Publish: TypeAlias = "Callable[[str, Mapping[str, Any]], None]"

logger = logging.getLogger(__name__)


class Diary:
    """One container's. Nothing here waits, so that it can be told under any lock."""

    def __init__(
        self, container_id: str, *, publish: Publish | None = None, records: Records | None = None
    ) -> None:
        """``publish`` must not wait; without it, and without records, nothing is told."""
        self._id = container_id
        self._publish = publish
        self._records = records
        # Guards what follows, and is held over publish() so that events leave in their order.
        self._lock = threading.Lock()
        self._holding = 0
        self._held: list[tuple[str, Mapping[str, Any]]] = []
        self._created = False

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold back what others tell until the block has told its own event, or failed."""
        with self._lock:
            self._holding += 1
        try:
            yield
        finally:
            with self._lock:
                self._holding -= 1
                held = [] if self._holding else self._held
                if held:
                    self._held = []
                for topic, values in held:
                    self._send(topic, values)

    def created(self, request: Any, pid: int) -> None:
        """The container is made; in a ``holding`` block. Nothing is told before."""
        mounts = [
            {"type": one.type, "source": one.source, "options": list(one.options)}
            for one in request.rootfs
        ]
        stdio = {name: getattr(request, name) for name in ("stdin", "stdout", "stderr")}
        values = {"bundle": request.bundle, "rootfs": mounts, "io": stdio, "pid": pid}
        with self._lock:
            self._created = True
            self._send(topics.TASK_CREATE, values)

    def started(self, exec_id: str, pid: int) -> None:
        """A process runs its program; in a ``holding`` block."""
        with self._lock:
            if exec_id:
                self._send(topics.TASK_EXEC_STARTED, {"exec_id": exec_id, "pid": pid})
            else:
                self._send(topics.TASK_START, {"pid": pid})

    def exec_added(self, exec_id: str) -> None:
        """There is a process to be started."""
        self._tell(topics.TASK_EXEC_ADDED, {"exec_id": exec_id})

    def paused(self) -> None:
        """Every process stands still."""
        self._tell(topics.TASK_PAUSED, {})

    def resumed(self) -> None:
        """Every process goes on."""
        self._tell(topics.TASK_RESUMED, {})

    def launched(self, exec_id: str, pid: int) -> None:
        """There is a process, which has not run its program yet."""
        if self._records is None:
            return
        try:
            self._records.add(pid, exec_id)
        except OSError as exc:
            text = "process %d of container %s would outlive a killed shim: %s"
            logger.warning(text, pid, self._id, exc)

    def ended(self, exec_id: str, pid: int, ended: Exit) -> None:
        """A process has died; told by any thread."""
        if self._records is not None:
            self._records.end(exec_id, ended.status, ended.at)
        process = {"id": exec_id or self._id, "pid": pid}
        self._tell(topics.TASK_EXIT, process | _end(ended))

    def deleted(self, exec_id: str, pid: int, ended: Exit) -> None:
        """A process is forgotten."""
        if self._records is not None:
            self._records.forget(exec_id)
        if not exec_id:  # runc's shim tells nothing for an exec either
            self._tell(topics.TASK_DELETE, {"pid": pid} | _end(ended))

    def _tell(self, topic: str, values: Mapping[str, Any]) -> None:
        with self._lock:
            if self._holding:
                self._held.append((topic, values))
            else:
                self._send(topic, values)

    def _send(self, topic: str, values: Mapping[str, Any]) -> None:
        if self._publish is None or not self._created:
            return
        try:
            self._publish(topic, {"container_id": self._id, **values})
        except ToolkitError:
            logger.exception("event %s of container %s cannot be published", topic, self._id)


def _end(ended: Exit) -> dict[str, Any]:
    seconds, nanos = divmod(ended.at, 1_000_000_000)
    return {"exit_status": ended.status, "exited_at": {"seconds": seconds, "nanos": nanos}}
