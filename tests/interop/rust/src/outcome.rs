//! What came of a scenario, as one line of JSON.

use std::fmt::Debug;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::{json, Value};

/// What the scenario saw, for the test to judge; null when there is nothing to say.
pub type Outcome = Result<Value, Failure>;

pub struct Failure {
    cause: Cause,
    values: Value,
}

enum Cause {
    Rpc(ttrpc::Error),
    /// A word for the test and a text for people.
    Other(&'static str, String),
}

impl From<ttrpc::Error> for Failure {
    fn from(error: ttrpc::Error) -> Failure {
        Failure {
            cause: Cause::Rpc(error),
            values: Value::Null,
        }
    }
}

impl Failure {
    pub fn other(word: &'static str, text: impl Into<String>) -> Failure {
        Failure {
            cause: Cause::Other(word, text.into()),
            values: Value::Null,
        }
    }

    /// The same failure, with what was seen before it.
    pub fn after(mut self, values: Value) -> Failure {
        self.values = values;
        self
    }
}

/// A reply that came but is not what the scenario wants is a failure, too.
pub fn expect<T: PartialEq + Debug>(got: &T, want: &T) -> Result<(), Failure> {
    if got == want {
        return Ok(());
    }
    let mut text = format!("got {got:?}, want {want:?}");
    text.truncate(200);
    Err(Failure::other("mismatch", text))
}

/// A status has a code, any other failure an error word.
pub fn line(name: &str, outcome: Outcome) -> Value {
    let mut line = json!({ "scenario": name, "ok": outcome.is_ok() });
    let values = match outcome {
        Ok(values) => values,
        Err(failure) => {
            add_cause(&mut line, failure.cause);
            failure.values
        }
    };
    if !values.is_null() {
        line["values"] = values;
    }
    line
}

fn add_cause(line: &mut Value, cause: Cause) {
    match cause {
        Cause::Rpc(ttrpc::Error::RpcStatus(status)) => {
            line["code"] = json!(status.code.value());
            line["message"] = json!(status.message);
            if !status.details.is_empty() {
                line["details"] = status.details.iter().map(encode_detail).collect();
            }
        }
        Cause::Rpc(error) => {
            line["error"] = json!(error_word(&error));
            line["message"] = json!(error.to_string());
        }
        Cause::Other(word, text) => {
            line["error"] = json!(word);
            line["message"] = json!(text);
        }
    }
}

fn encode_detail(detail: &ttrpc::proto::Any) -> Value {
    json!({ "type_url": detail.type_url, "value": STANDARD.encode(&detail.value) })
}

fn error_word(error: &ttrpc::Error) -> &'static str {
    match error {
        ttrpc::Error::Socket(_) | ttrpc::Error::RemoteClosed => "closed",
        // The crate has no kind of its own for a deadline that passed.
        ttrpc::Error::Others(text) if text.contains("deadline") || text.contains("timeout") => {
            "deadline"
        }
        _ => "other",
    }
}
