//! The asynchronous Rust peer: a server, a client and a load generator over ttrpc's tokio flavour.
//!
//! peer-async server --address unix:///tmp/a.sock [--threads 1]
//! peer-async client --address unix:///tmp/a.sock [--threads 1] [SCENARIO...]
//! peer-async bench  --address unix:///tmp/a.sock --kind unary --callers 64 --seconds 3 --bytes 32
//!
//! Every line on stdout is one JSON object.

mod bench;
mod client;
mod server;
mod streams;
mod unary;

use interop::arguments::Arguments;
use interop::process::runtime;

fn main() {
    let arguments = Arguments::read();
    let runtime = runtime(arguments.get("threads", 1));
    runtime.block_on(async {
        match arguments.command.as_str() {
            "server" => server::run(&arguments).await,
            "client" => client::run(&arguments).await,
            "bench" => bench::run(&arguments).await,
            other => panic!("no command {other:?}"),
        }
    });
}
