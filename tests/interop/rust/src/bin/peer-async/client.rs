//! The scenarios by name, run one after another over one connection.

use std::time::Duration;

use interop::arguments::Arguments;
use interop::asynchronous::interop::Item;
use interop::asynchronous::interop_ttrpc::InteropClient;
use interop::outcome::{line, Failure, Outcome};
use interop::process::print;
use interop::LARGE_DATA;
use ttrpc::asynchronous::Client;

use crate::{streams, unary};

/// Far above what a scenario takes; a hang becomes an outcome.
const SCENARIO_LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Peer {
    pub channel: Client,
    pub interop: InteropClient,
}

impl Peer {
    pub async fn connect(address: &str) -> Peer {
        let channel = Client::connect(address).await.unwrap();
        Peer {
            interop: InteropClient::new(channel.clone()),
            channel,
        }
    }
}

pub async fn run(arguments: &Arguments) {
    let peer = Peer::connect(arguments.address()).await;
    for name in arguments.scenarios(NAMES) {
        let outcome = tokio::time::timeout(SCENARIO_LIMIT, scenario(name, &peer))
            .await
            .unwrap_or_else(|_| Err(Failure::other("hang", "the scenario did not end")));
        print(&line(name, outcome));
    }
}

macro_rules! scenarios {
    ($peer:ident: $($name:literal => $run:expr,)*) => {
        const NAMES: &[&str] = &[$($name),*];

        async fn scenario(name: &str, $peer: &Peer) -> Outcome {
            match name {
                $($name => $run.await,)*
                _ => panic!("no scenario {name:?}"),
            }
        }
    };
}

scenarios! { peer:
    "echo" => unary::echo(peer, item(42, 5)),
    "echo-empty" => unary::echo(peer, Item::new()),
    "echo-large" => unary::echo(peer, item(0, LARGE_DATA)),
    "echo-sizes" => unary::echo_sizes(peer),
    "echo-oversize" => unary::echo(peer, item(0, interop::MAX_DATA)),
    "fail" => unary::fail(peer, 5, false),
    "fail-details" => unary::fail(peer, 5, true),
    "fail-unknown-code" => unary::fail(peer, 99, false),
    "sleep" => unary::sleep(peer, 10_000, 50),
    "deadline" => unary::sleep(peer, 100, 5000),
    "cancel" => unary::cancel(peer),
    "metadata" => unary::metadata(peer),
    "timeout" => unary::timeout(peer),
    "unknown-service" => unary::unknown(peer, "toolkit.interop.v1.Missing", "Echo"),
    "unknown-method" => unary::unknown(peer, unary::SERVICE, "Missing"),
    "concurrent" => unary::concurrent(peer),
    "overtake" => unary::overtake(peer),
    "count" => streams::count(peer, 100, 32),
    "count-none" => streams::count(peer, 0, 0),
    "count-large" => streams::count(peer, 4, LARGE_DATA),
    "count-fail" => streams::count_fail(peer),
    "count-deadline" => streams::count_deadline(peer),
    "sum" => streams::sum(peer, streams::numbers(100)),
    "sum-none" => streams::sum(peer, vec![]),
    "sum-empty-items" => streams::sum(peer, vec![Item::new(); 3]),
    "sum-large" => streams::sum(peer, vec![item(0, LARGE_DATA); 2]),
    "sum-fail" => streams::sum_fail(peer),
    "chat" => streams::chat(peer, streams::numbers(100)),
    "chat-none" => streams::chat(peer, vec![]),
    "chat-empty-items" => streams::chat(peer, vec![Item::new(); 3]),
    "chat-pipelined" => streams::chat_pipelined(peer),
    "chat-many" => streams::chat_many(peer),
    "divide" => streams::divide(peer, &[(7, 2), (9, 3)]),
    "divide-fail" => streams::divide(peer, &[(7, 2), (1, 0)]),
    "stream-metadata" => streams::metadata(peer),
    "stream-beside-calls" => streams::beside_calls(peer),
    "unknown-stream-service" => streams::unknown(peer, "toolkit.interop.v1.Missing", "Chat"),
    "unknown-stream-method" => streams::unknown(peer, unary::SERVICE, "Missing"),
    // Go's server closes the connection when a reply is too large, so this comes last.
    "fill-oversize" => unary::fill_oversize(peer),
}

fn item(number: i64, bytes: usize) -> Item {
    Item {
        number,
        data: vec![7; bytes],
        ..Default::default()
    }
}
