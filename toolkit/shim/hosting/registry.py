"""The containers of one shim, by id."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.shim.hosting.container import Container

__all__ = ["Registry"]

logger = logging.getLogger(__name__)


class Registry:
    """Containers that come and go, from any thread, until it is closed."""

    def __init__(self) -> None:
        # Guards the two below; never held while a container is worked on.
        self._lock = threading.Lock()
        self._containers: dict[str, Container] = {}
        self._closed = False

    def create(self, container: Container) -> None:
        """Make the container; its id is taken from the start, and free again if that fails.

        Raises:
            RpcError: UNAVAILABLE, ALREADY_EXISTS, or why it could not be made.
        """
        with self._lock:
            if self._closed:
                raise RpcError(Code.UNAVAILABLE, "this shim is shutting down")
            if container.id in self._containers:
                text = f"there is already a container {container.id!r}"
                raise RpcError(Code.ALREADY_EXISTS, text)
            self._containers[container.id] = container
        try:
            container.create()
        except BaseException:
            self.remove(container)
            raise

    def find(self, container_id: str) -> Container | None:
        """The container of this id, if there is one."""
        with self._lock:
            return self._containers.get(container_id)

    def remove(self, container: Container) -> None:
        """Free its id."""
        with self._lock:
            if self._containers.get(container.id) is container:
                del self._containers[container.id]

    def close_if_empty(self) -> bool:
        """Take no more containers, unless there are some; whether it is closed now."""
        with self._lock:
            self._closed = self._closed or not self._containers
            return self._closed

    def close(self) -> None:
        """End every container, and take no more; twice is fine."""
        with self._lock:
            self._closed = True
            containers = list(self._containers.values())
            self._containers.clear()
        for container in containers:
            try:
                container.destroy()
            except RpcError:
                logger.exception("container %r could not be ended", container.id)
