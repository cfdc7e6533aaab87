//! The services of the crate `containerd-shim-protos`, and their clients.
//!
//! shim-task server   --address unix:///tmp/a.sock      the calls of the crate's examples
//! shim-task life     --address unix:///tmp/a.sock      every Task and Sandbox call, in memory
//! shim-task client   --address unix:///tmp/a.sock [create|connect|delete|shutdown...]
//! shim-task client   --address unix:///tmp/a.sock --bundle DIR life|sandbox|forward
//! shim-task messages                                   what the crate encodes, and its topics
//!
//! Every line on stdout is one JSON object.

mod example;
mod life;
mod messages;
mod sandbox;

use std::sync::Arc;

use containerd_shim_protos::sandbox_async::create_sandbox;
use containerd_shim_protos::shim_async::{create_task, Client, EventsClient, TaskClient};
use interop::arguments::Arguments;
use interop::outcome::line;
use interop::process::{exit_when_told, make_way, print, print_listening, runtime};
use ttrpc::asynchronous::Server;
use ttrpc::context::{with_timeout, Context};
use ttrpc::{Code, Error};

const NAMES: &[&str] = &["create", "connect", "delete", "shutdown"];

fn main() {
    let arguments = Arguments::read();
    runtime(1).block_on(async {
        match arguments.command.as_str() {
            "server" => serve(&arguments, example_server()).await,
            "life" => serve(&arguments, life_server()).await,
            "client" => call(&arguments).await,
            "messages" => messages::all().iter().for_each(print),
            other => panic!("no command {other:?}"),
        }
    });
}

fn example_server() -> Server {
    Server::new().register_service(create_task(Arc::new(example::Service)))
}

fn life_server() -> Server {
    Server::new()
        .register_service(create_task(Arc::new(life::Service::default())))
        .register_service(create_sandbox(Arc::new(sandbox::Service::default())))
}

async fn serve(arguments: &Arguments, server: Server) {
    let address = arguments.address();
    make_way(address);
    let mut server = server.bind(address).unwrap();
    server.start().await.unwrap();
    print_listening(address);
    exit_when_told();
    std::future::pending::<()>().await;
}

async fn call(arguments: &Arguments) {
    let client = Client::connect(arguments.address()).await.unwrap();
    let task = TaskClient::new(client.clone());
    for name in arguments.scenarios(NAMES) {
        let outcome = match name {
            "create" => example::create(&task).await,
            "connect" => example::connect(&task).await,
            "delete" => example::delete(&task).await,
            "shutdown" => example::shutdown(&task).await,
            "life" => life::through(&task, &arguments.get("bundle", String::new())).await,
            "sandbox" => sandbox::through(&client).await,
            "forward" => messages::forward(&EventsClient::new(client.clone())).await,
            _ => panic!("no scenario {name:?}"),
        };
        print(&line(name, outcome));
    }
}

fn bare() -> Context {
    with_timeout(0)
}

fn refusal(code: Code, text: impl Into<String>) -> Error {
    Error::RpcStatus(ttrpc::get_status(code, text.into()))
}
