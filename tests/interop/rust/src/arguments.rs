//! The command line: a command, `--name value` options, and names of scenarios.

use std::collections::HashMap;
use std::env;
use std::str::FromStr;

pub struct Arguments {
    pub command: String,
    pub names: Vec<String>,
    options: HashMap<String, String>,
}

impl Arguments {
    pub fn read() -> Arguments {
        let mut words = env::args().skip(1);
        let command = words
            .next()
            .unwrap_or_else(|| panic!("want: server|client|bench --address unix:///PATH ..."));
        let mut options = HashMap::new();
        let mut names = Vec::new();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some(option) => {
                    let value = words
                        .next()
                        .unwrap_or_else(|| panic!("{word} wants a value"));
                    options.insert(option.to_owned(), value);
                }
                None => names.push(word),
            }
        }
        Arguments {
            command,
            names,
            options,
        }
    }

    pub fn address(&self) -> &str {
        self.options
            .get("address")
            .unwrap_or_else(|| panic!("want --address unix:///PATH"))
    }

    pub fn get<T: FromStr>(&self, name: &str, default: T) -> T {
        match self.options.get(name) {
            Some(text) => text
                .parse()
                .unwrap_or_else(|_| panic!("--{name} cannot be {text:?}")),
            None => default,
        }
    }

    /// The scenarios asked for, or all.
    pub fn scenarios<'a>(&'a self, all: &'a [&'a str]) -> Vec<&'a str> {
        if self.names.is_empty() {
            return all.to_vec();
        }
        self.names.iter().map(String::as_str).collect()
    }
}
