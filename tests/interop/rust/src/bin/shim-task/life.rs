//! The whole Task service over one made-up container, and a client that takes one through its life.

use std::sync::Mutex;

use async_trait::async_trait;
use containerd_shim_protos::api::*;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::{EnumOrUnknown, MessageField};
use containerd_shim_protos::shim_async::{Task, TaskClient};
use interop::outcome::{Failure, Outcome};
use serde_json::{json, Value};
use tokio::sync::watch;
use ttrpc::asynchronous::TtrpcContext;
use ttrpc::{Code, Result};

use crate::{bare, messages, refusal};

const PID: u32 = 4242;
const EXEC_PID: u32 = 4243;
const ENDED_AT: i64 = 1_700_000_000;

/// What the container has been told; State shows it all.
#[derive(Default)]
struct Seen {
    id: String,
    bundle: String,
    status: Status,
    stdout: String,
    execs: Vec<String>,
    told: Vec<String>,
}

pub struct Service {
    seen: Mutex<Seen>,
    signal: watch::Sender<u32>,
}

impl Default for Service {
    fn default() -> Service {
        Service {
            seen: Mutex::default(),
            signal: watch::channel(0).0,
        }
    }
}

impl Service {
    fn with<T>(&self, id: &str, act: impl FnOnce(&mut Seen) -> T) -> Result<T> {
        let mut seen = self.seen.lock().unwrap();
        if seen.id != id || id.is_empty() {
            return Err(refusal(Code::NOT_FOUND, format!("no container {id:?}")));
        }
        Ok(act(&mut seen))
    }

    fn told(&self, id: &str, text: String) -> Result<Empty> {
        self.with(id, |seen| seen.told.push(text))?;
        Ok(Empty::new())
    }
}

fn ended_at() -> MessageField<Timestamp> {
    MessageField::some(Timestamp {
        seconds: ENDED_AT,
        nanos: 5,
        ..Default::default()
    })
}

fn type_and_size(any: &MessageField<Any>) -> String {
    match any.as_ref() {
        Some(any) => format!("{}:{}", any.type_url, any.value.len()),
        None => "nothing".to_owned(),
    }
}

#[async_trait]
impl Task for Service {
    async fn create(&self, _: &TtrpcContext, r: CreateTaskRequest) -> Result<CreateTaskResponse> {
        let mut seen = self.seen.lock().unwrap();
        let mounts = r.rootfs.iter().map(|mount| mount.target.as_str());
        let told = format!(
            "create {} [{}]",
            type_and_size(&r.options),
            mounts.collect::<Vec<_>>().join(" ")
        );
        *seen = Seen {
            id: r.id,
            bundle: r.bundle,
            status: Status::CREATED,
            stdout: r.stdout,
            told: vec![told],
            ..Default::default()
        };
        self.signal.send_replace(0);
        Ok(CreateTaskResponse {
            pid: PID,
            ..Default::default()
        })
    }

    async fn start(&self, _: &TtrpcContext, r: StartRequest) -> Result<StartResponse> {
        self.with(&r.id, |seen| {
            if r.exec_id.is_empty() {
                seen.status = Status::RUNNING;
            }
        })?;
        Ok(StartResponse {
            pid: if r.exec_id.is_empty() { PID } else { EXEC_PID },
            ..Default::default()
        })
    }

    async fn state(&self, _: &TtrpcContext, r: StateRequest) -> Result<StateResponse> {
        self.with(&r.id, |seen| StateResponse {
            id: r.id.clone(),
            bundle: seen.bundle.clone(),
            pid: PID,
            status: EnumOrUnknown::new(seen.status),
            stdin: seen.execs.join(","),
            stdout: seen.stdout.clone(),
            stderr: seen.told.join("; "),
            terminal: true,
            exec_id: r.exec_id.clone(),
            ..Default::default()
        })
    }

    async fn pids(&self, _: &TtrpcContext, r: PidsRequest) -> Result<PidsResponse> {
        self.with(&r.id, |_| PidsResponse {
            processes: vec![
                ProcessInfo {
                    pid: PID,
                    ..Default::default()
                },
                ProcessInfo {
                    pid: EXEC_PID,
                    info: MessageField::some(messages::process_details()),
                    ..Default::default()
                },
            ],
            ..Default::default()
        })
    }

    async fn pause(&self, _: &TtrpcContext, r: PauseRequest) -> Result<Empty> {
        self.with(&r.id, |seen| seen.status = Status::PAUSED)?;
        Ok(Empty::new())
    }

    async fn resume(&self, _: &TtrpcContext, r: ResumeRequest) -> Result<Empty> {
        self.with(&r.id, |seen| seen.status = Status::RUNNING)?;
        Ok(Empty::new())
    }

    async fn checkpoint(&self, _: &TtrpcContext, r: CheckpointTaskRequest) -> Result<Empty> {
        let text = format!("checkpoint {} {}", r.path, type_and_size(&r.options));
        self.told(&r.id, text)
    }

    async fn kill(&self, _: &TtrpcContext, r: KillRequest) -> Result<Empty> {
        self.with(&r.id, |seen| seen.status = Status::STOPPED)?;
        self.signal.send_replace(r.signal);
        Ok(Empty::new())
    }

    async fn exec(&self, _: &TtrpcContext, r: ExecProcessRequest) -> Result<Empty> {
        let text = format!("exec {} {}", r.exec_id, type_and_size(&r.spec));
        self.with(&r.id, |seen| seen.execs.push(r.exec_id.clone()))?;
        self.told(&r.id, text)
    }

    async fn resize_pty(&self, _: &TtrpcContext, r: ResizePtyRequest) -> Result<Empty> {
        self.told(&r.id, format!("resize {}x{}", r.width, r.height))
    }

    async fn close_io(&self, _: &TtrpcContext, r: CloseIORequest) -> Result<Empty> {
        self.told(&r.id, format!("close stdin={}", r.stdin))
    }

    async fn update(&self, _: &TtrpcContext, r: UpdateTaskRequest) -> Result<Empty> {
        let mut annotations: Vec<String> = r
            .annotations
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        annotations.sort();
        let text = format!(
            "update {} {}",
            type_and_size(&r.resources),
            annotations.join(",")
        );
        self.told(&r.id, text)
    }

    async fn wait(&self, _: &TtrpcContext, r: WaitRequest) -> Result<WaitResponse> {
        self.with(&r.id, |_| ())?;
        let mut signal = self.signal.subscribe();
        let signal = *signal.wait_for(|signal| *signal != 0).await.unwrap();
        Ok(WaitResponse {
            exit_status: 128 + signal,
            exited_at: ended_at(),
            ..Default::default()
        })
    }

    /// The metrics that the name of the container says.
    async fn stats(&self, _: &TtrpcContext, r: StatsRequest) -> Result<StatsResponse> {
        self.with(&r.id, |_| ())?;
        Ok(StatsResponse {
            stats: MessageField::from_option(messages::metrics(&r.id)),
            ..Default::default()
        })
    }

    async fn connect(&self, _: &TtrpcContext, r: ConnectRequest) -> Result<ConnectResponse> {
        let known = self.with(&r.id, |_| ()).is_ok();
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: if known { PID } else { 0 },
            version: "life".to_owned(),
            ..Default::default()
        })
    }

    async fn delete(&self, _: &TtrpcContext, r: DeleteRequest) -> Result<DeleteResponse> {
        let exec = !r.exec_id.is_empty();
        self.with(&r.id, |seen| {
            if !exec {
                *seen = Seen::default();
            }
        })?;
        Ok(DeleteResponse {
            pid: if exec { EXEC_PID } else { PID },
            exit_status: 128 + *self.signal.borrow(),
            exited_at: ended_at(),
            ..Default::default()
        })
    }

    async fn shutdown(&self, _: &TtrpcContext, _: ShutdownRequest) -> Result<Empty> {
        Ok(Empty::new())
    }
}

/// Create, start, state, wait beside kill, connect, delete, shutdown; what each one said.
pub async fn through(task: &TaskClient, bundle: &str) -> Outcome {
    let mut said = json!({});
    match steps(task, bundle, &mut said).await {
        Ok(()) => Ok(said),
        Err(failure) => Err(failure.after(said)),
    }
}

async fn steps(
    task: &TaskClient,
    bundle: &str,
    said: &mut Value,
) -> std::result::Result<(), Failure> {
    let id = "crate".to_owned();
    let request = CreateTaskRequest {
        id: id.clone(),
        bundle: bundle.to_owned(),
        ..Default::default()
    };
    said["create"] = json!(task.create(bare(), &request).await?.pid);
    let request = StartRequest {
        id: id.clone(),
        ..Default::default()
    };
    said["start"] = json!(task.start(bare(), &request).await?.pid);
    said["state"] = state(task, &id).await?;

    let waiting = WaitRequest {
        id: id.clone(),
        ..Default::default()
    };
    let kill = KillRequest {
        id: id.clone(),
        signal: 9,
        ..Default::default()
    };
    let (waited, killed) = tokio::join!(task.wait(bare(), &waiting), task.kill(bare(), &kill));
    killed?;
    let waited = waited?;
    said["wait"] = json!({
        "exit_status": waited.exit_status,
        "exited_at": waited.exited_at.seconds,
    });
    said["stopped"] = state(task, &id).await?;

    let request = ConnectRequest {
        id: id.clone(),
        ..Default::default()
    };
    let connected = task.connect(bare(), &request).await?;
    said["connect"] = json!([connected.shim_pid, connected.task_pid]);
    let request = DeleteRequest {
        id: id.clone(),
        ..Default::default()
    };
    let deleted = task.delete(bare(), &request).await?;
    said["delete"] = json!({
        "pid": deleted.pid,
        "exit_status": deleted.exit_status,
        "exited_at": deleted.exited_at.seconds,
    });
    let request = ShutdownRequest {
        id,
        ..Default::default()
    };
    task.shutdown(bare(), &request).await?;
    said["shutdown"] = json!(true);
    Ok(())
}

async fn state(task: &TaskClient, id: &str) -> Result<Value> {
    let request = StateRequest {
        id: id.to_owned(),
        ..Default::default()
    };
    let state = task.state(bare(), &request).await?;
    Ok(json!({
        "bundle": state.bundle,
        "pid": state.pid,
        "status": state.status.value(),
        "exit_status": state.exit_status,
    }))
}
