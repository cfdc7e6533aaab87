//! One of each message that the crate exposes for the Anys of a shim, encoded by the crate.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use containerd_shim_protos::api::ForwardRequest;
use containerd_shim_protos::bootstrap_api::{BootstrapParams, BootstrapResult};
use containerd_shim_protos::events::{
    container, content, image, namespace, sandbox, snapshot, task,
};
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{MessageDyn, MessageField};
use containerd_shim_protos::shim::event::Envelope;
use containerd_shim_protos::shim::oci;
use containerd_shim_protos::shim_async::EventsClient;
use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeVersion};
use containerd_shim_protos::windows::stats as windows;
use containerd_shim_protos::{cgroups, cgroups_v2, topics};
use interop::outcome::Outcome;
use serde_json::{json, Value};

use crate::bare;

const AT: i64 = 1_700_000_000;

/// A message with some of its fields; the rest is default.
macro_rules! make {
    ($($part:ident)::+ { $($field:ident: $value:expr),* $(,)? }) => {
        $($part)::+ { $($field: $value.into(),)* ..Default::default() }
    };
}

/// The same, as one of many kinds.
macro_rules! boxed {
    ($($part:ident)::+ { $($rest:tt)* }) => {
        Box::new(make!($($part)::+ { $($rest)* })) as Box<dyn MessageDyn>
    };
}

/// Everything, a line each: the full name, the bytes, and for an event of a task its topic.
pub fn all() -> Vec<Value> {
    let described = task_events()
        .into_iter()
        .map(|(topic, event)| describe(Some(topic), event.as_ref()));
    let others = containerd_events().into_iter().chain(others());
    described
        .chain(others.map(|message| describe(None, message.as_ref())))
        .chain([json!({ "topic": topics::TASK_UNKNOWN_TOPIC })])
        .collect()
}

fn describe(topic: Option<&str>, message: &dyn MessageDyn) -> Value {
    let any = pack(message);
    let mut line = json!({ "name": any.type_url, "bytes": STANDARD.encode(&any.value) });
    if let Some(topic) = topic {
        line["topic"] = json!(topic);
    }
    line
}

/// As containerd does: the bare name.
fn pack(message: &dyn MessageDyn) -> Any {
    Any {
        type_url: message.descriptor_dyn().full_name().to_owned(),
        value: message.write_to_bytes_dyn().unwrap(),
        ..Default::default()
    }
}

fn at() -> Timestamp {
    Timestamp {
        seconds: AT,
        nanos: 5,
        ..Default::default()
    }
}

fn some<T>(message: T) -> MessageField<T> {
    MessageField::some(message)
}

fn task_events() -> Vec<(&'static str, Box<dyn MessageDyn>)> {
    let io = task::TaskIO {
        stdout: "/out".to_owned(),
        ..Default::default()
    };
    vec![
        (
            topics::TASK_CREATE_EVENT_TOPIC,
            boxed!(task::TaskCreate {
                container_id: "web",
                bundle: "/b",
                io: some(io),
                pid: 7u32
            }),
        ),
        (
            topics::TASK_START_EVENT_TOPIC,
            boxed!(task::TaskStart {
                container_id: "web",
                pid: 7u32
            }),
        ),
        (
            topics::TASK_OOM_EVENT_TOPIC,
            boxed!(task::TaskOOM {
                container_id: "web"
            }),
        ),
        (
            topics::TASK_EXIT_EVENT_TOPIC,
            boxed!(task::TaskExit {
                container_id: "web",
                id: "web",
                pid: 7u32,
                exit_status: 137u32,
                exited_at: some(at()),
            }),
        ),
        (
            topics::TASK_DELETE_EVENT_TOPIC,
            boxed!(task::TaskDelete {
                container_id: "web",
                pid: 7u32,
                exit_status: 137u32,
                exited_at: some(at()),
                id: "web",
            }),
        ),
        (
            topics::TASK_EXEC_ADDED_EVENT_TOPIC,
            boxed!(task::TaskExecAdded {
                container_id: "web",
                exec_id: "extra"
            }),
        ),
        (
            topics::TASK_EXEC_STARTED_EVENT_TOPIC,
            boxed!(task::TaskExecStarted {
                container_id: "web",
                exec_id: "extra",
                pid: 8u32
            }),
        ),
        (
            topics::TASK_PAUSED_EVENT_TOPIC,
            boxed!(task::TaskPaused {
                container_id: "web"
            }),
        ),
        (
            topics::TASK_RESUMED_EVENT_TOPIC,
            boxed!(task::TaskResumed {
                container_id: "web"
            }),
        ),
        (
            topics::TASK_CHECKPOINTED_EVENT_TOPIC,
            boxed!(task::TaskCheckpointed {
                container_id: "web",
                checkpoint: "/c"
            }),
        ),
    ]
}

fn containerd_events() -> Vec<Box<dyn MessageDyn>> {
    let runtime = make!(container::container_create::Runtime {
        name: "io.containerd.runc.v2"
    });
    vec![
        boxed!(container::ContainerCreate {
            id: "web",
            image: "i",
            runtime: some(runtime)
        }),
        boxed!(container::ContainerUpdate {
            id: "web",
            image: "i",
            snapshot_key: "k"
        }),
        boxed!(container::ContainerDelete { id: "web" }),
        boxed!(content::ContentCreate {
            digest: "sha256:0",
            size: 9i64
        }),
        boxed!(content::ContentDelete { digest: "sha256:0" }),
        boxed!(image::ImageCreate { name: "i" }),
        boxed!(image::ImageUpdate { name: "i" }),
        boxed!(image::ImageDelete { name: "i" }),
        boxed!(namespace::NamespaceCreate { name: "n" }),
        boxed!(namespace::NamespaceUpdate { name: "n" }),
        boxed!(namespace::NamespaceDelete { name: "n" }),
        boxed!(snapshot::SnapshotPrepare {
            key: "k",
            parent: "p",
            snapshotter: "s"
        }),
        boxed!(snapshot::SnapshotCommit {
            key: "k",
            name: "n",
            snapshotter: "s"
        }),
        boxed!(snapshot::SnapshotRemove {
            key: "k",
            snapshotter: "s"
        }),
        boxed!(sandbox::SandboxCreate { sandbox_id: "pod" }),
        boxed!(sandbox::SandboxStart { sandbox_id: "pod" }),
        boxed!(sandbox::SandboxExit {
            sandbox_id: "pod",
            exit_status: 3u32,
            exited_at: some(at())
        }),
    ]
}

/// Metrics, runc's options, introspection and the bootstrap.
fn others() -> Vec<Box<dyn MessageDyn>> {
    let version = make!(RuntimeVersion {
        version: "v1",
        revision: "r"
    });
    let options = make!(oci::Options {
        binary_name: "runc",
        systemd_cgroup: true,
        io_uid: 5u32
    });
    let packed = pack(&options);
    vec![
        Box::new(cgroup_v1()),
        Box::new(cgroup_v2()),
        Box::new(windows_container()),
        Box::new(options),
        boxed!(oci::CheckpointOptions {
            exit: true,
            image_path: "/images"
        }),
        boxed!(oci::ProcessDetails { exec_id: "extra" }),
        boxed!(RuntimeInfo {
            name: "runtime",
            version: some(version),
            options: some(packed)
        }),
        boxed!(BootstrapParams {
            instance_id: "web",
            namespace: "default"
        }),
        boxed!(BootstrapResult {
            version: 3i32,
            address: "unix:///s",
            protocol: "ttrpc"
        }),
    ]
}

fn cgroup_v1() -> cgroups::metrics::Metrics {
    use cgroups::metrics::{CPUStat, CPUUsage, MemoryEntry, MemoryStat, Metrics, PidsStat};
    let usage = make!(CPUUsage {
        total: 4_000_000_001u64,
        user: 3u64
    });
    let entry = make!(MemoryEntry {
        usage: 1_048_576u64
    });
    make!(Metrics {
        pids: some(make!(PidsStat {
            current: 3u64,
            limit: 100u64
        })),
        cpu: some(make!(CPUStat { usage: some(usage) })),
        memory: some(make!(MemoryStat {
            rss: 4096u64,
            usage: some(entry)
        })),
    })
}

fn cgroup_v2() -> cgroups_v2::metrics::Metrics {
    use cgroups_v2::metrics::{CPUStat, MemoryStat, Metrics, PidsStat};
    make!(Metrics {
        pids: some(make!(PidsStat { current: 4u64 })),
        cpu: some(make!(CPUStat {
            usage_usec: 5_000_001u64,
            user_usec: 2u64
        })),
        memory: some(make!(MemoryStat {
            usage: 2_097_152u64,
            anon: 4096u64
        })),
    })
}

fn windows_container() -> windows::Statistics {
    let processor = make!(windows::WindowsContainerProcessorStatistics {
        total_runtime_ns: 6_000_000_001u64,
        runtime_user_ns: 4u64,
    });
    let memory = make!(windows::WindowsContainerMemoryStatistics {
        memory_usage_commit_bytes: 3_145_728u64,
        memory_usage_private_working_set_bytes: 1_000_000u64,
    });
    let mut statistics = windows::Statistics::new();
    statistics.set_windows(make!(windows::WindowsContainerStatistics {
        timestamp: some(at()),
        processor: some(processor),
        memory: some(memory),
    }));
    statistics
}

/// The metrics of a container of this name; none for any other.
pub fn metrics(name: &str) -> Option<Any> {
    match name {
        "cgroups-v1" => Some(pack(&cgroup_v1())),
        "cgroups-v2" => Some(pack(&cgroup_v2())),
        "windows" => Some(pack(&windows_container())),
        _ => None,
    }
}

pub fn process_details() -> Any {
    pack(&make!(oci::ProcessDetails { exec_id: "extra" }))
}

/// Publishes every event of a task, in order; how many.
pub async fn forward(events: &EventsClient) -> Outcome {
    let all = task_events();
    for (topic, event) in &all {
        let envelope = make!(Envelope {
            timestamp: some(at()),
            namespace: "crate",
            topic: *topic,
            event: some(pack(event.as_ref())),
        });
        let request = make!(ForwardRequest {
            envelope: some(envelope)
        });
        events.forward(bare(), &request).await?;
    }
    Ok(json!({ "forwarded": all.len() }))
}
