//! Scenarios of unary calls.

use std::time::Duration;

use interop::asynchronous::interop::{Delay, Failure as Failing, Item, Seen, Size};
use interop::outcome::{expect, Failure, Outcome};
use interop::SIZES;
use protobuf::well_known_types::any::Any;
use serde_json::{json, Value};
use tokio::task::JoinSet;
use ttrpc::context::{with_duration, with_timeout, Context};

use crate::client::Peer;

pub const SERVICE: &str = "toolkit.interop.v1.Interop";

pub fn no_deadline() -> Context {
    with_timeout(0)
}

pub async fn echo(peer: &Peer, item: Item) -> Outcome {
    let reply = peer.interop.echo(no_deadline(), &item).await?;
    expect(&reply, &item)?;
    Ok(Value::Null)
}

pub async fn echo_sizes(peer: &Peer) -> Outcome {
    for size in SIZES {
        let item = Item {
            data: vec![1; size],
            ..Default::default()
        };
        echo(peer, item)
            .await
            .map_err(|failure| failure.after(json!({ "size": size })))?;
    }
    Ok(json!({ "sizes": SIZES }))
}

pub async fn fill_oversize(peer: &Peer) -> Outcome {
    let size = Size {
        bytes: interop::MAX_DATA as u32,
        ..Default::default()
    };
    peer.interop.fill(no_deadline(), &size).await?;
    Ok(Value::Null)
}

pub async fn fail(peer: &Peer, code: i32, details: bool) -> Outcome {
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
    peer.interop.fail(no_deadline(), &failing).await?;
    Ok(Value::Null)
}

pub fn delay(milliseconds: u32) -> Delay {
    Delay {
        milliseconds,
        ..Default::default()
    }
}

pub async fn sleep(peer: &Peer, limit_milliseconds: u64, milliseconds: u32) -> Outcome {
    let context = with_duration(Duration::from_millis(limit_milliseconds));
    peer.interop.sleep(context, &delay(milliseconds)).await?;
    Ok(Value::Null)
}

/// Dropping the future of a call is how it is cancelled.
pub async fn cancel(peer: &Peer) -> Outcome {
    let request = delay(5000);
    let call = peer.interop.sleep(no_deadline(), &request);
    match tokio::time::timeout(Duration::from_millis(100), call).await {
        Ok(reply) => reply.map(|_| Value::Null).map_err(Failure::from),
        Err(_) => Err(Failure::other("cancelled", "dropped after 100 ms")),
    }
}

pub fn two_values() -> Context {
    let mut context = with_duration(Duration::from_secs(10));
    context.add("key-1".to_owned(), "one".to_owned());
    context.add("key-1".to_owned(), "two".to_owned());
    context.set("Key-2".to_owned(), vec!["ünïcode".to_owned()]);
    context
}

pub async fn metadata(peer: &Peer) -> Outcome {
    let seen = peer.interop.metadata(two_values(), &Item::new()).await?;
    Ok(seen_values(&seen))
}

pub async fn timeout(peer: &Peer) -> Outcome {
    let context = with_duration(Duration::from_secs(10));
    let seen = peer.interop.metadata(context, &Item::new()).await?;
    Ok(seen_values(&seen))
}

pub fn seen_values(seen: &Seen) -> Value {
    let pairs: Vec<_> = seen
        .metadata
        .iter()
        .map(|entry| json!([entry.key, entry.value]))
        .collect();
    json!({ "metadata": pairs, "timeout_nano": seen.timeout_nano })
}

pub async fn unknown(peer: &Peer, service: &str, method: &str) -> Outcome {
    let mut request = ttrpc::Request::new();
    request.service = service.to_owned();
    request.method = method.to_owned();
    peer.channel.request(request).await?;
    Ok(Value::Null)
}

/// 1,000 calls in flight at once, each with a reply of its own.
pub async fn concurrent(peer: &Peer) -> Outcome {
    let mut calls = JoinSet::new();
    for number in 1..=1000 {
        let peer = peer.clone();
        calls.spawn(async move {
            let item = Item {
                number,
                ..Default::default()
            };
            echo(&peer, item).await
        });
    }
    while let Some(outcome) = calls.join_next().await {
        outcome.unwrap()?;
    }
    Ok(json!({ "calls": 1000 }))
}

/// A slow call, and the reply of a later, quick one wanted first.
pub async fn overtake(peer: &Peer) -> Outcome {
    let slow = tokio::spawn({
        let peer = peer.clone();
        async move { sleep(&peer, 10_000, 300).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    echo(peer, Item::new()).await?;
    expect(&slow.is_finished(), &false)?;
    slow.await.unwrap()
}
