//! The synchronous Rust peer: a server, a client and a load generator over ttrpc's threads.
//!
//! peer-sync server --address unix:///tmp/a.sock
//! peer-sync client --address unix:///tmp/a.sock [SCENARIO...]
//! peer-sync bench  --address unix:///tmp/a.sock --callers 64 --seconds 3 --bytes 32
//!
//! Unary calls only: the crate's synchronous flavour has no streams.
//! Every line on stdout is one JSON object.

mod bench;
mod client;
mod server;

use interop::arguments::Arguments;

fn main() {
    let arguments = Arguments::read();
    match arguments.command.as_str() {
        "server" => server::run(&arguments),
        "client" => client::run(&arguments),
        "bench" => bench::run(&arguments),
        other => panic!("no command {other:?}"),
    }
}
