//! What the peers written over the crates `ttrpc` and `containerd-shim-protos` share.

pub mod arguments;
pub mod outcome;
pub mod process;

/// Generated from `interop.proto`, all call kinds.
#[allow(clippy::all)]
pub mod asynchronous {
    include!(concat!(env!("OUT_DIR"), "/asynchronous/mod.rs"));
}

/// Generated from `interop.proto`, unary calls only.
#[allow(clippy::all)]
pub mod synchronous {
    include!(concat!(env!("OUT_DIR"), "/synchronous/mod.rs"));
}

/// TTRPC's limit for a frame, envelope included.
pub const MAX_DATA: usize = 4 << 20;
/// Near the limit.
pub const LARGE_DATA: usize = 3900 * 1024;
/// The sizes at which buffers and multiplexers split frames.
pub const SIZES: [usize; 7] = [1, 4000, 4096, 4200, 65536, 1 << 20, 4_100_000];
