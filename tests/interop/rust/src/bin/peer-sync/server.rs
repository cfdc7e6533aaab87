//! The unary half of the service.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use interop::arguments::Arguments;
use interop::process::{exit_when_told, make_way, print_listening};
use interop::synchronous::interop::{Delay, Entry, Failure, Item, Seen, Size};
use interop::synchronous::interop_ttrpc::{create_interop, Interop};
use protobuf::EnumOrUnknown;
use ttrpc::{Error, Result, Server, Status, TtrpcContext};

pub fn run(arguments: &Arguments) {
    let address = arguments.address();
    make_way(address);
    let mut server = Server::new()
        .bind(address)
        .unwrap()
        .register_service(create_interop(Arc::new(Service)));
    server.start().unwrap();
    print_listening(address);
    exit_when_told();
    loop {
        thread::park();
    }
}

struct Service;

impl Interop for Service {
    fn echo(&self, _context: &TtrpcContext, item: Item) -> Result<Item> {
        Ok(item)
    }

    fn fill(&self, _context: &TtrpcContext, size: Size) -> Result<Item> {
        Ok(Item {
            data: vec![0; size.bytes as usize],
            ..Default::default()
        })
    }

    fn fail(&self, _context: &TtrpcContext, failure: Failure) -> Result<Item> {
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
        Err(Error::RpcStatus(status))
    }

    fn sleep(&self, _context: &TtrpcContext, delay: Delay) -> Result<Item> {
        thread::sleep(Duration::from_millis(delay.milliseconds.into()));
        Ok(Item::new())
    }

    fn metadata(&self, context: &TtrpcContext, _item: Item) -> Result<Seen> {
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
        Ok(reply)
    }
}
