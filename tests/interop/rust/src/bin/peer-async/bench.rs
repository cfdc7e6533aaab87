//! Load: calls or messages a second, from any number of callers on one connection.

use std::time::{Duration, Instant};

use interop::arguments::Arguments;
use interop::asynchronous::interop::{Counting, Item};
use interop::process::print;
use serde_json::json;
use tokio::task::JoinSet;
use ttrpc::Result;

use crate::client::Peer;
use crate::unary::no_deadline;

#[derive(Clone, Copy)]
struct Load {
    bytes: usize,
    until: Instant,
}

impl Load {
    fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn item(&self) -> Item {
        Item {
            data: vec![0; self.bytes],
            ..Default::default()
        }
    }
}

pub async fn run(arguments: &Arguments) {
    let peer = Peer::connect(arguments.address()).await;
    let kind = arguments.get("kind", "unary".to_owned());
    let callers = arguments.get("callers", 1);
    let bytes = arguments.get("bytes", 32);
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(arguments.get("seconds", 3.0));

    let mut running = JoinSet::new();
    for _ in 0..callers {
        running.spawn(bench(peer.clone(), kind.clone(), Load { bytes, until }));
    }
    let mut count = 0;
    while let Some(result) = running.join_next().await {
        count += result.unwrap().unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    print(&json!({
        "bench": kind, "callers": callers, "bytes": bytes,
        "seconds": seconds, "count": count, "rate": count as f64 / seconds,
    }));
}

async fn bench(peer: Peer, kind: String, load: Load) -> Result<u64> {
    match kind.as_str() {
        "unary" => unary(&peer, load).await,
        "receive" => receive(&peer, load).await,
        "send" => send(&peer, load).await,
        "pingpong" => ping_pong(&peer, load).await,
        _ => panic!("no benchmark {kind:?}"),
    }
}

async fn unary(peer: &Peer, load: Load) -> Result<u64> {
    let item = load.item();
    let mut count = 0;
    while !load.over() {
        peer.interop.echo(no_deadline(), &item).await?;
        count += 1;
    }
    Ok(count)
}

/// Asks for batches, because a stream that is left cannot be stopped in TTRPC.
async fn receive(peer: &Peer, load: Load) -> Result<u64> {
    let counting = Counting {
        count: ((1 << 26) / load.bytes.max(1)).clamp(1, 10_000) as u32,
        size: load.bytes as u32,
        ..Default::default()
    };
    let mut received = 0;
    while !load.over() {
        let mut stream = peer.interop.count(no_deadline(), &counting).await?;
        while stream.recv().await?.is_some() {
            received += 1;
        }
    }
    Ok(received)
}

async fn send(peer: &Peer, load: Load) -> Result<u64> {
    let item = load.item();
    let mut stream = peer.interop.sum(no_deadline()).await?;
    let mut sent = 0;
    while !load.over() {
        stream.send(&item).await?;
        sent += 1;
    }
    let total = stream.close_and_recv().await?;
    assert_eq!(u64::from(total.items), sent, "items lost on the way");
    Ok(sent)
}

async fn ping_pong(peer: &Peer, load: Load) -> Result<u64> {
    let item = load.item();
    let mut stream = peer.interop.chat(no_deadline()).await?;
    let mut trips = 0;
    while !load.over() {
        stream.send(&item).await?;
        stream.recv().await?;
        trips += 1;
    }
    stream.close_send().await?;
    Ok(trips)
}
