"""What the crate containerd-shim-protos 0.12 encodes, as its program ``shim-task messages`` says.

``shim_protos.jsonl`` is its output; ``tests/interop/test_shim_protos_life.py`` holds it against the
crate.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

from toolkit.errors import RawAny

__all__ = ["EVENTS", "OTHERS", "RECORD", "TOPICS", "Recorded", "recorded"]

RECORD = Path(__file__).with_name("shim_protos.jsonl")
AT = {"seconds": 1_700_000_000, "nanos": 5}

# The values in the record, by full name: of an event ...
EVENTS: dict[str, dict[str, Any]] = {
    "containerd.events.TaskCreate": {
        "container_id": "web",
        "bundle": "/b",
        "io": {"stdout": "/out"},
        "pid": 7,
    },
    "containerd.events.TaskStart": {"container_id": "web", "pid": 7},
    "containerd.events.TaskOOM": {"container_id": "web"},
    "containerd.events.TaskExit": {
        "container_id": "web",
        "id": "web",
        "pid": 7,
        "exit_status": 137,
        "exited_at": AT,
    },
    "containerd.events.TaskDelete": {
        "container_id": "web",
        "pid": 7,
        "exit_status": 137,
        "exited_at": AT,
        "id": "web",
    },
    "containerd.events.TaskExecAdded": {"container_id": "web", "exec_id": "extra"},
    "containerd.events.TaskExecStarted": {"container_id": "web", "exec_id": "extra", "pid": 8},
    "containerd.events.TaskPaused": {"container_id": "web"},
    "containerd.events.TaskResumed": {"container_id": "web"},
    "containerd.events.TaskCheckpointed": {"container_id": "web", "checkpoint": "/c"},
    "containerd.events.ContainerCreate": {
        "id": "web",
        "image": "i",
        "runtime": {"name": "io.containerd.runc.v2"},
    },
    "containerd.events.ContainerUpdate": {"id": "web", "image": "i", "snapshot_key": "k"},
    "containerd.events.ContainerDelete": {"id": "web"},
    "containerd.events.ContentCreate": {"digest": "sha256:0", "size": 9},
    "containerd.events.ContentDelete": {"digest": "sha256:0"},
    "containerd.services.images.v1.ImageCreate": {"name": "i"},
    "containerd.services.images.v1.ImageUpdate": {"name": "i"},
    "containerd.services.images.v1.ImageDelete": {"name": "i"},
    "containerd.events.NamespaceCreate": {"name": "n"},
    "containerd.events.NamespaceUpdate": {"name": "n"},
    "containerd.events.NamespaceDelete": {"name": "n"},
    "containerd.events.SnapshotPrepare": {"key": "k", "parent": "p", "snapshotter": "s"},
    "containerd.events.SnapshotCommit": {"key": "k", "name": "n", "snapshotter": "s"},
    "containerd.events.SnapshotRemove": {"key": "k", "snapshotter": "s"},
    "containerd.events.SandboxCreate": {"sandbox_id": "pod"},
    "containerd.events.SandboxStart": {"sandbox_id": "pod"},
    "containerd.events.SandboxExit": {"sandbox_id": "pod", "exit_status": 3, "exited_at": AT},
}
# ... and of anything else.
OTHERS: dict[str, dict[str, Any]] = {
    "io.containerd.cgroups.v1.Metrics": {
        "pids": {"current": 3, "limit": 100},
        "cpu": {"usage": {"total": 4_000_000_001, "user": 3}},
        "memory": {"rss": 4096, "usage": {"usage": 1_048_576}},
    },
    "io.containerd.cgroups.v2.Metrics": {
        "pids": {"current": 4},
        "cpu": {"usage_usec": 5_000_001, "user_usec": 2},
        "memory": {"usage": 2_097_152, "anon": 4096},
    },
    "containerd.runhcs.stats.v1.Statistics": {
        "windows": {
            "timestamp": AT,
            "processor": {"total_runtime_ns": 6_000_000_001, "runtime_user_ns": 4},
            "memory": {
                "memory_usage_commit_bytes": 3_145_728,
                "memory_usage_private_working_set_bytes": 1_000_000,
            },
        }
    },
    "containerd.runc.v1.Options": {"binary_name": "runc", "systemd_cgroup": True, "io_uid": 5},
    "containerd.runc.v1.CheckpointOptions": {"exit": True, "image_path": "/images"},
    "containerd.runc.v1.ProcessDetails": {"exec_id": "extra"},
    "containerd.types.RuntimeInfo": {
        "name": "runtime",
        "version": {"version": "v1", "revision": "r"},
        "options": {
            "type_url": "containerd.runc.v1.Options",
            "value": b"\x20\x05\x32\x04runc\x48\x01",
        },
    },
    "containerd.runtime.bootstrap.v1.BootstrapParams": {
        "instance_id": "web",
        "namespace": "default",
    },
    "containerd.runtime.bootstrap.v1.BootstrapResult": {
        "version": 3,
        "address": "unix:///s",
        "protocol": "ttrpc",
    },
}


class Recorded(NamedTuple):
    """A line of the record."""

    name: str
    data: bytes
    topic: str


def _read() -> list[Recorded]:
    lines = [json.loads(line) for line in RECORD.read_text().splitlines()]
    return [
        Recorded(
            line.get("name", ""), base64.b64decode(line.get("bytes", "")), line.get("topic", "")
        )
        for line in lines
    ]


_RECORDED = _read()
TOPICS = {each.topic: each.name for each in _RECORDED if each.topic}


def recorded(name: str) -> RawAny:
    """The crate's message of this full name, in an Any as it packs it."""
    [found] = [each for each in _RECORDED if each.name == name]
    return RawAny(found.name, found.data)
