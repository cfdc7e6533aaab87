//! Generates the code of `interop.proto` twice: asynchronous, and synchronous without streams.

use std::path::{Path, PathBuf};
use std::{env, fs};

use ttrpc_codegen::{Codegen, Customize, ProtobufCustomize};

const SCHEMA: &str = "../interop.proto";

fn main() {
    println!("cargo:rerun-if-changed={SCHEMA}");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let schema = fs::read_to_string(SCHEMA).unwrap();

    generate(&schema, &out.join("asynchronous"), true);
    // Streams have no synchronous code; what the generator writes for them does not compile.
    let unary: Vec<&str> = schema
        .lines()
        .filter(|line| !(line.contains("rpc ") && line.contains("stream ")))
        .collect();
    generate(&unary.join("\n"), &out.join("synchronous"), false);
}

fn generate(schema: &str, folder: &Path, asynchronous: bool) {
    fs::create_dir_all(folder).unwrap();
    let input = folder.join("interop.proto");
    fs::write(&input, schema).unwrap();
    Codegen::new()
        .input(&input)
        .include(folder)
        .out_dir(folder)
        .rust_protobuf()
        .rust_protobuf_customize(ProtobufCustomize::default().gen_mod_rs(false))
        .customize(Customize {
            async_all: asynchronous,
            ..Default::default()
        })
        .run()
        .unwrap();
    fs::write(
        folder.join("mod.rs"),
        "pub mod interop;\npub mod interop_ttrpc;\n",
    )
    .unwrap();
}
