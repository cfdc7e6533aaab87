//! Load: calls a second, from any number of threads on one connection.

use std::thread;
use std::time::{Duration, Instant};

use interop::arguments::Arguments;
use interop::process::print;
use serde_json::json;
use ttrpc::Result;

use crate::client::{item, no_deadline, Peer};

pub fn run(arguments: &Arguments) {
    let peer = Peer::connect(arguments.address());
    let callers: usize = arguments.get("callers", 1);
    let bytes = arguments.get("bytes", 32);
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(arguments.get("seconds", 3.0));

    let running: Vec<_> = (0..callers)
        .map(|_| {
            let peer = peer.clone();
            thread::spawn(move || unary(&peer, bytes, until))
        })
        .collect();
    let count: u64 = running
        .into_iter()
        .map(|caller| caller.join().unwrap().unwrap())
        .sum();
    let seconds = start.elapsed().as_secs_f64();
    print(&json!({
        "bench": "unary", "callers": callers, "bytes": bytes,
        "seconds": seconds, "count": count, "rate": count as f64 / seconds,
    }));
}

fn unary(peer: &Peer, bytes: usize, until: Instant) -> Result<u64> {
    let request = item(0, bytes);
    let mut count = 0;
    while Instant::now() < until {
        peer.interop.echo(no_deadline(), &request)?;
        count += 1;
    }
    Ok(count)
}
