//! A task service and its client over the crate `containerd-shim-protos`: the calls of its examples.
//!
//! shim-task server --address unix:///tmp/a.sock
//! shim-task client --address unix:///tmp/a.sock [create|connect|shutdown|delete...]
//!
//! Every line on stdout is one JSON object.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use containerd_shim_protos::api::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest, Empty,
    ShutdownRequest,
};
use containerd_shim_protos::shim_async::{create_task, Client, Task, TaskClient};
use interop::arguments::Arguments;
use interop::outcome::{line, Outcome};
use interop::process::{exit_when_told, make_way, print, print_listening, runtime};
use serde_json::{json, Value};
use ttrpc::asynchronous::{Server, TtrpcContext};
use ttrpc::context::{with_timeout, Context};
use ttrpc::{Code, Error, Result};

const TASK_ID: &str = "id1";
const TASK_PID: u32 = 0x10c0;
const NAMES: &[&str] = &["create", "connect", "delete", "shutdown"];

fn main() {
    let arguments = Arguments::read();
    runtime(1).block_on(async {
        match arguments.command.as_str() {
            "server" => serve(&arguments).await,
            "client" => call(&arguments).await,
            other => panic!("no command {other:?}"),
        }
    });
}

async fn serve(arguments: &Arguments) {
    let address = arguments.address();
    make_way(address);
    let mut server = Server::new()
        .bind(address)
        .unwrap()
        .register_service(create_task(Arc::new(Service)));
    server.start().await.unwrap();
    print_listening(address);
    exit_when_told();
    std::future::pending::<()>().await;
}

/// What it does not have, Delete for one, the crate answers with NOT_FOUND.
struct Service;

#[async_trait]
impl Task for Service {
    async fn create(
        &self,
        context: &TtrpcContext,
        request: CreateTaskRequest,
    ) -> Result<CreateTaskResponse> {
        if context.metadata != metadata() {
            return Err(refusal(format!("the metadata is {:?}", context.metadata)));
        }
        expect_task(&request.id)?;
        Ok(CreateTaskResponse {
            pid: TASK_PID,
            ..Default::default()
        })
    }

    async fn connect(
        &self,
        _context: &TtrpcContext,
        request: ConnectRequest,
    ) -> Result<ConnectResponse> {
        expect_task(&request.id)?;
        Ok(ConnectResponse {
            shim_pid: std::process::id(),
            task_pid: TASK_PID,
            version: "interop".to_owned(),
            ..Default::default()
        })
    }

    async fn shutdown(&self, _context: &TtrpcContext, _request: ShutdownRequest) -> Result<Empty> {
        Ok(Empty::new())
    }
}

fn expect_task(id: &str) -> Result<()> {
    if id == TASK_ID {
        return Ok(());
    }
    Err(refusal(format!("the task is {TASK_ID:?}, not {id:?}")))
}

fn refusal(text: String) -> Error {
    Error::RpcStatus(ttrpc::get_status(Code::INVALID_ARGUMENT, text))
}

/// What the crate's own example client sends with Create.
fn metadata() -> HashMap<String, Vec<String>> {
    HashMap::from([
        (
            "key-1".to_owned(),
            vec!["value-1-1".to_owned(), "value-1-2".to_owned()],
        ),
        ("key-2".to_owned(), vec!["value-2".to_owned()]),
    ])
}

async fn call(arguments: &Arguments) {
    let task = TaskClient::new(Client::connect(arguments.address()).await.unwrap());
    for name in arguments.scenarios(NAMES) {
        let outcome = match name {
            "create" => create(&task).await,
            "connect" => connect(&task).await,
            "delete" => delete(&task).await,
            "shutdown" => shutdown(&task).await,
            _ => panic!("no scenario {name:?}"),
        };
        print(&line(name, outcome));
    }
}

fn bare() -> Context {
    with_timeout(0)
}

async fn create(task: &TaskClient) -> Outcome {
    let request = CreateTaskRequest {
        id: TASK_ID.to_owned(),
        ..Default::default()
    };
    let context = ttrpc::context::with_metadata(metadata());
    let reply = task.create(context, &request).await?;
    Ok(json!({ "pid": reply.pid }))
}

async fn connect(task: &TaskClient) -> Outcome {
    let request = ConnectRequest {
        id: TASK_ID.to_owned(),
        ..Default::default()
    };
    let reply = task.connect(bare(), &request).await?;
    Ok(json!({
        "shim_pid": reply.shim_pid,
        "task_pid": reply.task_pid,
        "version": reply.version,
    }))
}

async fn delete(task: &TaskClient) -> Outcome {
    let request = DeleteRequest {
        id: TASK_ID.to_owned(),
        ..Default::default()
    };
    let reply = task.delete(bare(), &request).await?;
    Ok(json!({ "pid": reply.pid, "exit_status": reply.exit_status }))
}

async fn shutdown(task: &TaskClient) -> Outcome {
    let request = ShutdownRequest {
        id: TASK_ID.to_owned(),
        now: true,
        ..Default::default()
    };
    task.shutdown(bare(), &request).await?;
    Ok(Value::Null)
}
