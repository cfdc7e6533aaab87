//! Starting and stopping: the ready line, and no peer that outlives its test.

use std::io::{self, Read, Write};
use std::{fs, process, thread};

use serde_json::{json, Value};
use tokio::signal::unix::{signal, SignalKind};

/// Writes one line of JSON to stdout.
pub fn print(line: &Value) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").unwrap();
    stdout.flush().unwrap();
}

pub fn print_listening(address: &str) {
    print(&json!({ "listening": address }));
}

/// Removes what an earlier server left at the address.
pub fn make_way(address: &str) {
    if let Some(path) = address.strip_prefix("unix://") {
        if !path.starts_with('@') {
            let _ = fs::remove_file(path);
        }
    }
}

/// Exits on SIGTERM, SIGINT or the end of stdin.
pub fn exit_when_told() {
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    thread::spawn(|| {
        runtime(1).block_on(async {
            let mut terminate = signal(SignalKind::terminate()).unwrap();
            let mut interrupt = signal(SignalKind::interrupt()).unwrap();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            process::exit(0);
        })
    });
}

/// A current-thread runtime for one thread: with more, ttrpc 0.10's server loses and
/// reorders the messages of a stream, and its client's stream ids go up and down.
pub fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().unwrap()
}
