//! The Sandbox service over one made-up sandbox, and a client that takes one through its life.

use std::sync::Mutex;

use async_trait::async_trait;
use containerd_shim_protos::protobuf::well_known_types::timestamp::Timestamp;
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::sandbox_api::*;
use containerd_shim_protos::sandbox_async::{Sandbox, SandboxClient};
use containerd_shim_protos::shim_async::Client;
use containerd_shim_protos::types::platform::Platform;
use interop::outcome::{Failure, Outcome};
use serde_json::{json, Value};
use tokio::sync::watch;
use ttrpc::asynchronous::TtrpcContext;
use ttrpc::{Code, Result};

use crate::{bare, messages, refusal};

const PID: u32 = 5151;

pub struct Service {
    id: Mutex<String>,
    state: watch::Sender<&'static str>,
}

impl Default for Service {
    fn default() -> Service {
        Service {
            id: Mutex::default(),
            state: watch::channel("SANDBOX_NOTREADY").0,
        }
    }
}

impl Service {
    fn expect(&self, id: &str) -> Result<()> {
        if *self.id.lock().unwrap() == id {
            return Ok(());
        }
        Err(refusal(Code::NOT_FOUND, format!("no sandbox {id:?}")))
    }
}

fn at(seconds: i64) -> MessageField<Timestamp> {
    MessageField::some(Timestamp {
        seconds,
        ..Default::default()
    })
}

#[async_trait]
impl Sandbox for Service {
    async fn create_sandbox(
        &self,
        _: &TtrpcContext,
        r: CreateSandboxRequest,
    ) -> Result<CreateSandboxResponse> {
        *self.id.lock().unwrap() = r.sandbox_id;
        Ok(CreateSandboxResponse::new())
    }

    async fn start_sandbox(
        &self,
        _: &TtrpcContext,
        r: StartSandboxRequest,
    ) -> Result<StartSandboxResponse> {
        self.expect(&r.sandbox_id)?;
        self.state.send_replace("SANDBOX_READY");
        Ok(StartSandboxResponse {
            pid: PID,
            created_at: at(1),
            ..Default::default()
        })
    }

    async fn platform(&self, _: &TtrpcContext, r: PlatformRequest) -> Result<PlatformResponse> {
        self.expect(&r.sandbox_id)?;
        Ok(PlatformResponse {
            platform: MessageField::some(Platform {
                os: "linux".to_owned(),
                architecture: "riscv64".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    async fn stop_sandbox(
        &self,
        _: &TtrpcContext,
        r: StopSandboxRequest,
    ) -> Result<StopSandboxResponse> {
        self.expect(&r.sandbox_id)?;
        self.state.send_replace("SANDBOX_NOTREADY");
        Ok(StopSandboxResponse::new())
    }

    async fn wait_sandbox(
        &self,
        _: &TtrpcContext,
        r: WaitSandboxRequest,
    ) -> Result<WaitSandboxResponse> {
        self.expect(&r.sandbox_id)?;
        let mut state = self.state.subscribe();
        state
            .wait_for(|state| *state != "SANDBOX_READY")
            .await
            .unwrap();
        Ok(WaitSandboxResponse {
            exit_status: 3,
            exited_at: at(2),
            ..Default::default()
        })
    }

    async fn sandbox_status(
        &self,
        _: &TtrpcContext,
        r: SandboxStatusRequest,
    ) -> Result<SandboxStatusResponse> {
        self.expect(&r.sandbox_id)?;
        let mut reply = SandboxStatusResponse {
            sandbox_id: r.sandbox_id,
            pid: PID,
            state: self.state.borrow().to_string(),
            created_at: at(1),
            ..Default::default()
        };
        if r.verbose {
            reply.info.insert("info".to_owned(), "{}".to_owned());
        }
        Ok(reply)
    }

    async fn ping_sandbox(&self, _: &TtrpcContext, r: PingRequest) -> Result<PingResponse> {
        self.expect(&r.sandbox_id)?;
        Ok(PingResponse::new())
    }

    async fn shutdown_sandbox(
        &self,
        _: &TtrpcContext,
        r: ShutdownSandboxRequest,
    ) -> Result<ShutdownSandboxResponse> {
        self.expect(&r.sandbox_id)?;
        self.id.lock().unwrap().clear();
        Ok(ShutdownSandboxResponse::new())
    }

    async fn sandbox_metrics(
        &self,
        _: &TtrpcContext,
        r: SandboxMetricsRequest,
    ) -> Result<SandboxMetricsResponse> {
        self.expect(&r.sandbox_id)?;
        let mut reply = SandboxMetricsResponse::new();
        let metric = reply.metrics.mut_or_insert_default();
        metric.id = r.sandbox_id;
        metric.data = MessageField::from_option(messages::metrics("cgroups-v2"));
        Ok(reply)
    }
}

/// Every call of the crate's client, in the order of a sandbox's life; what each one said.
pub async fn through(client: &Client) -> Outcome {
    let mut said = json!({});
    match steps(&SandboxClient::new(client.clone()), &mut said).await {
        Ok(()) => Ok(said),
        Err(failure) => Err(failure.after(said)),
    }
}

/// A request that names the sandbox and says no more.
macro_rules! naming {
    ($request:ident) => {
        $request {
            sandbox_id: "pod".to_owned(),
            ..Default::default()
        }
    };
}

async fn steps(sandbox: &SandboxClient, said: &mut Value) -> std::result::Result<(), Failure> {
    let request = CreateSandboxRequest {
        bundle_path: "/bundle".to_owned(),
        netns_path: "/netns".to_owned(),
        ..naming!(CreateSandboxRequest)
    };
    sandbox.create_sandbox(bare(), &request).await?;
    let started = sandbox
        .start_sandbox(bare(), &naming!(StartSandboxRequest))
        .await?;
    said["start"] = json!({ "pid": started.pid, "created_at": started.created_at.seconds });
    let reply = sandbox.platform(bare(), &naming!(PlatformRequest)).await?;
    said["platform"] = json!([reply.platform.os, reply.platform.architecture]);
    said["status"] = status(sandbox).await?;
    sandbox.ping_sandbox(bare(), &naming!(PingRequest)).await?;
    let measured = sandbox
        .sandbox_metrics(bare(), &naming!(SandboxMetricsRequest))
        .await?;
    said["metrics"] = json!([measured.metrics.id, measured.metrics.data.type_url]);

    let (wait, stop) = (naming!(WaitSandboxRequest), naming!(StopSandboxRequest));
    let (waited, stopped) = tokio::join!(
        sandbox.wait_sandbox(bare(), &wait),
        sandbox.stop_sandbox(bare(), &stop)
    );
    stopped?;
    let waited = waited?;
    said["wait"] = json!({
        "exit_status": waited.exit_status,
        "exited_at": waited.exited_at.seconds,
    });
    said["stopped"] = status(sandbox).await?;
    sandbox
        .shutdown_sandbox(bare(), &naming!(ShutdownSandboxRequest))
        .await?;
    said["shutdown"] = json!(true);
    Ok(())
}

async fn status(sandbox: &SandboxClient) -> Result<Value> {
    let request = naming!(SandboxStatusRequest);
    let status = sandbox.sandbox_status(bare(), &request).await?;
    Ok(json!([status.sandbox_id, status.pid, status.state]))
}
