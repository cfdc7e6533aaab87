//! Scenarios of streams.

use std::time::Duration;

use interop::asynchronous::interop::{Counting, Division, Failure as Failing, Item, Total};
use interop::outcome::{expect, Failure, Outcome};
use serde_json::{json, Value};
use tokio::task::JoinSet;
use ttrpc::asynchronous::ClientStream;
use ttrpc::context::{with_duration, Context};
use ttrpc::Error;

use crate::client::Peer;
use crate::unary::{echo, no_deadline, seen_values, two_values};

pub fn numbers(count: i64) -> Vec<Item> {
    (1..=count).map(numbered).collect()
}

fn numbered(number: i64) -> Item {
    Item {
        number,
        ..Default::default()
    }
}

pub async fn count(peer: &Peer, count: u32, size: usize) -> Outcome {
    let counting = Counting {
        count,
        size: size as u32,
        ..Default::default()
    };
    counted(peer, no_deadline(), counting).await
}

pub async fn count_fail(peer: &Peer) -> Outcome {
    let failing = Failing {
        code: 9,
        message: "three are enough".to_owned(),
        ..Default::default()
    };
    let counting = Counting {
        count: 3,
        failure: Some(failing).into(),
        ..Default::default()
    };
    counted(peer, no_deadline(), counting).await
}

/// The client sends the timeout; ending the stream is up to the server.
pub async fn count_deadline(peer: &Peer) -> Outcome {
    let counting = Counting {
        count: 2,
        pause_milliseconds: 1000,
        ..Default::default()
    };
    counted(peer, with_duration(Duration::from_millis(100)), counting).await
}

async fn counted(peer: &Peer, context: Context, counting: Counting) -> Outcome {
    let mut stream = peer.interop.count(context, &counting).await?;
    let mut received = 0;
    loop {
        match stream.recv().await {
            Ok(Some(item)) => {
                received += 1;
                expect(&item.number, &received)?;
                expect(&item.data.len(), &(counting.size as usize))?;
            }
            Ok(None) => break,
            Err(error) => {
                return Err(Failure::from(error).after(json!({ "received": received })));
            }
        }
    }
    expect(&received, &counting.count.into())?;
    Ok(json!({ "received": received }))
}

pub async fn sum(peer: &Peer, items: Vec<Item>) -> Outcome {
    let mut stream = peer.interop.sum(no_deadline()).await?;
    let mut want = Total::new();
    for item in &items {
        stream.send(item).await?;
        want.items += 1;
        want.bytes += item.data.len() as u64;
        want.sum += item.number;
    }
    let total = stream.close_and_recv().await?;
    expect(&total, &want)?;
    Ok(json!({ "items": total.items, "bytes": total.bytes, "sum": total.sum }))
}

/// The crate can only receive after closing, so the close frame may cross the refusal.
pub async fn sum_fail(peer: &Peer) -> Outcome {
    let mut stream = peer.interop.sum(no_deadline()).await?;
    stream.send(&numbered(-1)).await?;
    stream.close_and_recv().await?;
    Ok(Value::Null)
}

pub async fn chat(peer: &Peer, items: Vec<Item>) -> Outcome {
    let mut stream = peer.interop.chat(no_deadline()).await?;
    for item in &items {
        stream.send(item).await?;
        expect(&stream.recv().await?, item)?;
    }
    close_and_end(&mut stream).await?;
    Ok(json!({ "received": items.len() }))
}

async fn close_and_end<Sent>(stream: &mut ClientStream<Sent, Item>) -> Result<(), Failure>
where
    Sent: protobuf::Message,
{
    stream.close_send().await?;
    match stream.recv().await {
        Err(Error::Eof) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(Failure::other("mismatch", "one more message, want the end")),
    }
}

/// Sends 1,000 items without waiting, and wants them back in order.
pub async fn chat_pipelined(peer: &Peer) -> Outcome {
    let (sender, mut receiver) = peer.interop.chat(no_deadline()).await?.split();
    let sending = tokio::spawn(async move {
        for item in numbers(1000) {
            sender.send(&item).await?;
        }
        sender.close_send().await
    });
    for item in numbers(1000) {
        expect(&receiver.recv().await?, &item)
            .map_err(|failure| failure.after(json!({ "received": item.number - 1 })))?;
    }
    sending.await.unwrap()?;
    match receiver.recv().await {
        Err(Error::Eof) => Ok(json!({ "received": 1000 })),
        other => Err(Failure::other(
            "mismatch",
            format!("{other:?}, want the end"),
        )),
    }
}

/// 100 streams open at once, each with 20 items.
pub async fn chat_many(peer: &Peer) -> Outcome {
    let mut streams = JoinSet::new();
    for _ in 0..100 {
        let peer = peer.clone();
        streams.spawn(async move { chat(&peer, numbers(20)).await });
    }
    while let Some(outcome) = streams.join_next().await {
        outcome.unwrap()?;
    }
    Ok(json!({ "streams": 100 }))
}

pub async fn divide(peer: &Peer, pairs: &[(i64, i64)]) -> Outcome {
    let mut stream = peer.interop.divide(no_deadline()).await?;
    let mut quotients = Vec::new();
    for &(dividend, divisor) in pairs {
        let division = Division {
            dividend,
            divisor,
            ..Default::default()
        };
        stream.send(&division).await?;
        match stream.recv().await {
            Ok(item) => quotients.push(item.number),
            Err(error) => {
                return Err(Failure::from(error).after(json!({ "quotients": quotients })));
            }
        }
    }
    close_and_end(&mut stream).await?;
    Ok(json!({ "quotients": quotients }))
}

pub async fn metadata(peer: &Peer) -> Outcome {
    let mut stream = peer
        .interop
        .stream_metadata(two_values(), &Item::new())
        .await?;
    let Some(seen) = stream.recv().await? else {
        return Err(Failure::other("mismatch", "the end, want a message"));
    };
    expect(&stream.recv().await?.is_none(), &true)?;
    Ok(seen_values(&seen))
}

/// Unary calls while a stream is open on the same connection.
pub async fn beside_calls(peer: &Peer) -> Outcome {
    let mut stream = peer.interop.chat(no_deadline()).await?;
    for item in numbers(20) {
        stream.send(&item).await?;
        echo(peer, numbered(-item.number)).await?;
        expect(&stream.recv().await?, &item)?;
    }
    close_and_end(&mut stream).await?;
    Ok(Value::Null)
}

/// Waits for the refusal and sends nothing after the request.
pub async fn unknown(peer: &Peer, service: &str, method: &str) -> Outcome {
    let mut request = ttrpc::Request::new();
    request.service = service.to_owned();
    request.method = method.to_owned();
    let mut stream = peer.channel.new_stream(request, true, true).await?;
    stream.recv().await?;
    Ok(Value::Null)
}
