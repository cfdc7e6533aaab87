//! The unary scenarios by name, run one after another over one connection.

use std::thread;
use std::time::Duration;

use interop::arguments::Arguments;
use interop::outcome::{expect, line, Outcome};
use interop::process::print;
use interop::synchronous::interop::{Delay, Failure as Failing, Item, Seen, Size};
use interop::synchronous::interop_ttrpc::InteropClient;
use interop::{LARGE_DATA, SIZES};
use protobuf::well_known_types::any::Any;
use serde_json::{json, Value};
use ttrpc::context::{with_duration, with_timeout, Context};
use ttrpc::Client;

const SERVICE: &str = "toolkit.interop.v1.Interop";

#[derive(Clone)]
pub struct Peer {
    channel: Client,
    pub interop: InteropClient,
}

impl Peer {
    pub fn connect(address: &str) -> Peer {
        let channel = Client::connect(address).unwrap();
        Peer {
            interop: InteropClient::new(channel.clone()),
            channel,
        }
    }
}

pub fn run(arguments: &Arguments) {
    let peer = Peer::connect(arguments.address());
    for name in arguments.scenarios(NAMES) {
        print(&line(name, scenario(name, &peer)));
    }
}

macro_rules! scenarios {
    ($peer:ident: $($name:literal => $run:expr,)*) => {
        const NAMES: &[&str] = &[$($name),*];

        fn scenario(name: &str, $peer: &Peer) -> Outcome {
            match name {
                $($name => $run,)*
                _ => panic!("no scenario {name:?}"),
            }
        }
    };
}

scenarios! { peer:
    "echo" => echo(peer, item(42, 5)),
    "echo-empty" => echo(peer, Item::new()),
    "echo-large" => echo(peer, item(0, LARGE_DATA)),
    "echo-sizes" => echo_sizes(peer),
    "echo-oversize" => echo(peer, item(0, interop::MAX_DATA)),
    "fail" => fail(peer, 5, false),
    "fail-details" => fail(peer, 5, true),
    "fail-unknown-code" => fail(peer, 99, false),
    "sleep" => sleep(peer, 10_000, 50),
    "deadline" => sleep(peer, 100, 5000),
    "metadata" => metadata(peer),
    "timeout" => timeout(peer),
    "unknown-service" => unknown(peer, "toolkit.interop.v1.Missing", "Echo"),
    "unknown-method" => unknown(peer, SERVICE, "Missing"),
    "concurrent" => concurrent(peer),
    "overtake" => overtake(peer),
    // Go's server closes the connection when a reply is too large, so this comes last.
    "fill-oversize" => fill_oversize(peer),
}

pub fn item(number: i64, bytes: usize) -> Item {
    Item {
        number,
        data: vec![7; bytes],
        ..Default::default()
    }
}

pub fn no_deadline() -> Context {
    with_timeout(0)
}

fn echo(peer: &Peer, item: Item) -> Outcome {
    let reply = peer.interop.echo(no_deadline(), &item)?;
    expect(&reply, &item)?;
    Ok(Value::Null)
}

fn echo_sizes(peer: &Peer) -> Outcome {
    for size in SIZES {
        echo(peer, item(0, size)).map_err(|failure| failure.after(json!({ "size": size })))?;
    }
    Ok(json!({ "sizes": SIZES }))
}

fn fill_oversize(peer: &Peer) -> Outcome {
    let size = Size {
        bytes: interop::MAX_DATA as u32,
        ..Default::default()
    };
    peer.interop.fill(no_deadline(), &size)?;
    Ok(Value::Null)
}

fn fail(peer: &Peer, code: i32, details: bool) -> Outcome {
    let mut failing = Failing {
        code,
        message: "no such thing".to_owned(),
        ..Default::default()
    };
    if details {
        failing.details.push(Any {
            type_url: "toolkit.interop.v1.Size".to_owned(),
            value: vec![8, 7],
            ..Default::default()
        });
    }
    peer.interop.fail(no_deadline(), &failing)?;
    Ok(Value::Null)
}

fn sleep(peer: &Peer, limit_milliseconds: u64, milliseconds: u32) -> Outcome {
    let context = with_duration(Duration::from_millis(limit_milliseconds));
    let delay = Delay {
        milliseconds,
        ..Default::default()
    };
    peer.interop.sleep(context, &delay)?;
    Ok(Value::Null)
}

fn metadata(peer: &Peer) -> Outcome {
    let mut context = with_duration(Duration::from_secs(10));
    context.add("key-1".to_owned(), "one".to_owned());
    context.add("key-1".to_owned(), "two".to_owned());
    context.set("Key-2".to_owned(), vec!["ünïcode".to_owned()]);
    Ok(seen_values(&peer.interop.metadata(context, &Item::new())?))
}

fn timeout(peer: &Peer) -> Outcome {
    let context = with_duration(Duration::from_secs(10));
    Ok(seen_values(&peer.interop.metadata(context, &Item::new())?))
}

fn seen_values(seen: &Seen) -> Value {
    let pairs: Vec<_> = seen
        .metadata
        .iter()
        .map(|entry| json!([entry.key, entry.value]))
        .collect();
    json!({ "metadata": pairs, "timeout_nano": seen.timeout_nano })
}

fn unknown(peer: &Peer, service: &str, method: &str) -> Outcome {
    let mut request = ttrpc::Request::new();
    request.service = service.to_owned();
    request.method = method.to_owned();
    peer.channel.request(request)?;
    Ok(Value::Null)
}

/// 1,000 calls in flight at once, a thread each, each with a reply of its own.
fn concurrent(peer: &Peer) -> Outcome {
    let callers: Vec<_> = (1..=1000)
        .map(|number| {
            let peer = peer.clone();
            thread::spawn(move || echo(&peer, item(number, 0)))
        })
        .collect();
    for caller in callers {
        caller.join().unwrap()?;
    }
    Ok(json!({ "calls": 1000 }))
}

/// A slow call, and the reply of a later, quick one wanted first.
fn overtake(peer: &Peer) -> Outcome {
    let slow = thread::spawn({
        let peer = peer.clone();
        move || sleep(&peer, 10_000, 300)
    });
    thread::sleep(Duration::from_millis(100));
    echo(peer, Item::new())?;
    expect(&slow.is_finished(), &false)?;
    slow.join().unwrap()
}
