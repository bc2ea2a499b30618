//! Compiles the protocol. protox is a compiler in Rust: no protoc is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/externalgrpc.proto", "proto/node.proto"];
    for file in files {
        rerun_if_changed(file);
    }
    let server = std::env::var_os("CARGO_FEATURE_SERVER").is_some();
    tonic_prost_build::configure()
        .build_server(server)
        // Nothing in it depends on an order that differs from run to run.
        .btree_map(".")
        .compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}

// A build script speaks to cargo on its standard output.
#[allow(clippy::print_stdout)]
fn rerun_if_changed(file: &str) {
    println!("cargo::rerun-if-changed={file}");
}
