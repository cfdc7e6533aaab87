"""The topics that events are published under, and the message that each of them carries.

The topic says again what the type of the event says; filters look at the topic. ``/tasks/`` is
what shims publish, everything else is containerd's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    class HasDescriptor(Protocol):
        """A protobuf message."""

        @property
        def DESCRIPTOR(self) -> Any:
            """What it is."""


__all__ = [
    "CONTAINER_CREATE",
    "CONTAINER_DELETE",
    "CONTAINER_UPDATE",
    "CONTENT_CREATE",
    "CONTENT_DELETE",
    "IMAGE_CREATE",
    "IMAGE_DELETE",
    "IMAGE_UPDATE",
    "MESSAGES",
    "NAMESPACE_CREATE",
    "NAMESPACE_DELETE",
    "NAMESPACE_UPDATE",
    "SANDBOX_CREATE",
    "SANDBOX_EXIT",
    "SANDBOX_START",
    "SNAPSHOT_COMMIT",
    "SNAPSHOT_PREPARE",
    "SNAPSHOT_REMOVE",
    "TASK_CHECKPOINTED",
    "TASK_CREATE",
    "TASK_DELETE",
    "TASK_EXEC_ADDED",
    "TASK_EXEC_STARTED",
    "TASK_EXIT",
    "TASK_OOM",
    "TASK_PAUSED",
    "TASK_RESUMED",
    "TASK_START",
    "TASK_UNKNOWN",
    "message_name",
    "topic_of",
]

# containerd core/runtime/events.go, and topics.rs of the crate containerd-shim-protos.
TASK_CREATE = "/tasks/create"
TASK_START = "/tasks/start"
TASK_OOM = "/tasks/oom"
TASK_EXIT = "/tasks/exit"
TASK_DELETE = "/tasks/delete"
TASK_EXEC_ADDED = "/tasks/exec-added"
TASK_EXEC_STARTED = "/tasks/exec-started"
TASK_PAUSED = "/tasks/paused"
TASK_RESUMED = "/tasks/resumed"
TASK_CHECKPOINTED = "/tasks/checkpointed"
TASK_UNKNOWN = "/tasks/?"

# plugins/services/containers/local.go, plugins/services/namespaces/local.go
CONTAINER_CREATE = "/containers/create"
CONTAINER_UPDATE = "/containers/update"
CONTAINER_DELETE = "/containers/delete"
NAMESPACE_CREATE = "/namespaces/create"
NAMESPACE_UPDATE = "/namespaces/update"
NAMESPACE_DELETE = "/namespaces/delete"

# core/metadata/{images,snapshot,content,db}.go; in the singular, but for the images
IMAGE_CREATE = "/images/create"
IMAGE_UPDATE = "/images/update"
IMAGE_DELETE = "/images/delete"
SNAPSHOT_PREPARE = "/snapshot/prepare"
SNAPSHOT_COMMIT = "/snapshot/commit"
SNAPSHOT_REMOVE = "/snapshot/remove"
CONTENT_CREATE = "/content/create"
CONTENT_DELETE = "/content/delete"

# plugins/services/sandbox/controller_service.go
SANDBOX_CREATE = "/sandboxes/create"
SANDBOX_START = "/sandboxes/start"
SANDBOX_EXIT = "/sandboxes/exit"

# The full name of each topic's message.
MESSAGES: Mapping[str, str] = {
    TASK_CREATE: "containerd.events.TaskCreate",
    TASK_START: "containerd.events.TaskStart",
    TASK_OOM: "containerd.events.TaskOOM",
    TASK_EXIT: "containerd.events.TaskExit",
    TASK_DELETE: "containerd.events.TaskDelete",
    TASK_EXEC_ADDED: "containerd.events.TaskExecAdded",
    TASK_EXEC_STARTED: "containerd.events.TaskExecStarted",
    TASK_PAUSED: "containerd.events.TaskPaused",
    TASK_RESUMED: "containerd.events.TaskResumed",
    TASK_CHECKPOINTED: "containerd.events.TaskCheckpointed",
    CONTAINER_CREATE: "containerd.events.ContainerCreate",
    CONTAINER_UPDATE: "containerd.events.ContainerUpdate",
    CONTAINER_DELETE: "containerd.events.ContainerDelete",
    NAMESPACE_CREATE: "containerd.events.NamespaceCreate",
    NAMESPACE_UPDATE: "containerd.events.NamespaceUpdate",
    NAMESPACE_DELETE: "containerd.events.NamespaceDelete",
    # events/image.proto is of another package than its neighbours.
    IMAGE_CREATE: "containerd.services.images.v1.ImageCreate",
    IMAGE_UPDATE: "containerd.services.images.v1.ImageUpdate",
    IMAGE_DELETE: "containerd.services.images.v1.ImageDelete",
    SNAPSHOT_PREPARE: "containerd.events.SnapshotPrepare",
    SNAPSHOT_COMMIT: "containerd.events.SnapshotCommit",
    SNAPSHOT_REMOVE: "containerd.events.SnapshotRemove",
    CONTENT_CREATE: "containerd.events.ContentCreate",
    CONTENT_DELETE: "containerd.events.ContentDelete",
    SANDBOX_CREATE: "containerd.events.SandboxCreate",
    SANDBOX_START: "containerd.events.SandboxStart",
    SANDBOX_EXIT: "containerd.events.SandboxExit",
}

_TOPICS = {name: topic for topic, name in MESSAGES.items()}


def topic_of(message: HasDescriptor | str) -> str:
    """The topic that an event is published under; ``/tasks/?`` where it has none.

    Args:
        message: a message of any schema, or the full name of one, also as the type URL of an Any.
    """
    name = message if isinstance(message, str) else message.DESCRIPTOR.full_name
    return _TOPICS.get(name.rpartition("/")[2], TASK_UNKNOWN)


def message_name(topic: str) -> str | None:
    """The full name of the message that a topic carries; None for a topic that is not known."""
    return MESSAGES.get(topic)
