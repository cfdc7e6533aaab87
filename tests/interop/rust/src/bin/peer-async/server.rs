//! The service, on a current-thread runtime unless told otherwise.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use interop::arguments::Arguments;
use interop::asynchronous::interop::{
    Counting, Delay, Division, Entry, Failure, Item, Seen, Size, Total,
};
use interop::asynchronous::interop_ttrpc::{create_interop, Interop};
use interop::process::{exit_when_told, make_way, print_listening};
use protobuf::EnumOrUnknown;
use ttrpc::asynchronous::{
    Server, ServerStream, ServerStreamReceiver, ServerStreamSender, TtrpcContext,
};
use ttrpc::{Code, Error, Result, Status};

pub async fn run(arguments: &Arguments) {
    let address = arguments.address();
    make_way(address);
    let mut server = Server::new()
        .bind(address)
        .unwrap()
        .register_service(create_interop(Arc::new(Service)));
    server.start().await.unwrap();
    print_listening(address);
    exit_when_told();
    std::future::pending::<()>().await;
}

struct Service;

#[async_trait]
impl Interop for Service {
    async fn echo(&self, _context: &TtrpcContext, item: Item) -> Result<Item> {
        Ok(item)
    }

    async fn fill(&self, _context: &TtrpcContext, size: Size) -> Result<Item> {
        Ok(Item {
            data: vec![0; size.bytes as usize],
            ..Default::default()
        })
    }

    async fn fail(&self, _context: &TtrpcContext, failure: Failure) -> Result<Item> {
        Err(error(failure))
    }

    async fn sleep(&self, _context: &TtrpcContext, delay: Delay) -> Result<Item> {
        rest(delay.milliseconds).await;
        Ok(Item::new())
    }

    async fn metadata(&self, context: &TtrpcContext, _item: Item) -> Result<Seen> {
        Ok(seen(context))
    }

    async fn count(
        &self,
        _context: &TtrpcContext,
        counting: Counting,
        stream: ServerStreamSender<Item>,
    ) -> Result<()> {
        let mut item = Item {
            data: vec![0; counting.size as usize],
            ..Default::default()
        };
        for number in 1..=counting.count {
            rest(counting.pause_milliseconds).await;
            item.number = number.into();
            stream.send(&item).await?;
        }
        match counting.failure.into_option() {
            Some(failure) => Err(error(failure)),
            None => Ok(()),
        }
    }

    async fn sum(
        &self,
        _context: &TtrpcContext,
        mut stream: ServerStreamReceiver<Item>,
    ) -> Result<Total> {
        let mut total = Total::new();
        while let Some(item) = stream.recv().await? {
            if item.number < 0 {
                return Err(refusal(format!("{} is negative", item.number)));
            }
            total.items += 1;
            total.bytes += item.data.len() as u64;
            total.sum += item.number;
        }
        Ok(total)
    }

    async fn chat(
        &self,
        _context: &TtrpcContext,
        mut stream: ServerStream<Item, Item>,
    ) -> Result<()> {
        while let Some(item) = stream.recv().await? {
            stream.send(&item).await?;
        }
        Ok(())
    }

    async fn divide(
        &self,
        _context: &TtrpcContext,
        mut stream: ServerStream<Item, Division>,
    ) -> Result<()> {
        while let Some(division) = stream.recv().await? {
            let quotient = division
                .dividend
                .checked_div(division.divisor)
                .ok_or_else(|| refusal(format!("{} divided by zero", division.dividend)))?;
            stream
                .send(&Item {
                    number: quotient,
                    ..Default::default()
                })
                .await?;
        }
        Ok(())
    }

    async fn stream_metadata(
        &self,
        context: &TtrpcContext,
        _item: Item,
        stream: ServerStreamSender<Seen>,
    ) -> Result<()> {
        stream.send(&seen(context)).await
    }
}

fn refusal(text: String) -> Error {
    Error::RpcStatus(ttrpc::get_status(Code::INVALID_ARGUMENT, text))
}

fn error(failure: Failure) -> Error {
    let mut status = Status::new();
    status.code = EnumOrUnknown::from_i32(failure.code);
    status.message = failure.message;
    for detail in failure.details {
        status.details.push(ttrpc::proto::Any {
            type_url: detail.type_url,
            value: detail.value,
            ..Default::default()
        });
    }
    Error::RpcStatus(status)
}

async fn rest(milliseconds: u32) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
    }
}

fn seen(context: &TtrpcContext) -> Seen {
    let mut reply = Seen::new();
    let mut pairs: Vec<_> = context.metadata.iter().collect();
    pairs.sort();
    for (key, values) in pairs {
        for value in values {
            reply.metadata.push(Entry {
                key: key.clone(),
                value: value.clone(),
                ..Default::default()
            });
        }
    }
    reply.timeout_nano = context.timeout_nano;
    reply
}
