//! The calls of the crate's own examples: a service with three methods, and its client.

use std::collections::HashMap;

use async_trait::async_trait;
use containerd_shim_protos::api::{
    ConnectRequest, ConnectResponse, CreateTaskRequest, CreateTaskResponse, DeleteRequest, Empty,
    ShutdownRequest,
};
use containerd_shim_protos::shim_async::{Task, TaskClient};
use interop::outcome::Outcome;
use serde_json::{json, Value};
use ttrpc::asynchronous::TtrpcContext;
use ttrpc::{Code, Result};

use crate::{bare, refusal};

const TASK_ID: &str = "id1";
const TASK_PID: u32 = 0x10c0;

/// What it does not have, Delete for one, the crate answers with NOT_FOUND.
pub struct Service;

#[async_trait]
impl Task for Service {
    async fn create(
        &self,
        context: &TtrpcContext,
        request: CreateTaskRequest,
    ) -> Result<CreateTaskResponse> {
        if context.metadata != metadata() {
            let text = format!("the metadata is {:?}", context.metadata);
            return Err(refusal(Code::INVALID_ARGUMENT, text));
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
    let text = format!("the task is {TASK_ID:?}, not {id:?}");
    Err(refusal(Code::INVALID_ARGUMENT, text))
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

pub async fn create(task: &TaskClient) -> Outcome {
    let request = CreateTaskRequest {
        id: TASK_ID.to_owned(),
        ..Default::default()
    };
    let context = ttrpc::context::with_metadata(metadata());
    let reply = task.create(context, &request).await?;
    Ok(json!({ "pid": reply.pid }))
}

pub async fn connect(task: &TaskClient) -> Outcome {
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

pub async fn delete(task: &TaskClient) -> Outcome {
    let request = DeleteRequest {
        id: TASK_ID.to_owned(),
        ..Default::default()
    };
    let reply = task.delete(bare(), &request).await?;
    Ok(json!({ "pid": reply.pid, "exit_status": reply.exit_status }))
}

pub async fn shutdown(task: &TaskClient) -> Outcome {
    let request = ShutdownRequest {
        id: TASK_ID.to_owned(),
        now: true,
        ..Default::default()
    };
    task.shutdown(bare(), &request).await?;
    Ok(Value::Null)
}
