//! Compiles the gRPC contracts, payment.v1, florin.v1 and ledger: no protoc needed. The descriptor set feeds gRPC reflection.
use std::{env, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../proto");
    let descriptors = protox::compile(
        ["payment/v1/payment.proto", "florin/v1/ledger.proto", "florin/v1/billing.proto", "ledger.proto"],
        ["../proto"],
    )?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.enable_type_names(); // by them what a message may become is found
    let builder = tonic_prost_build::configure().codec_path("crate::bounded::BoundedCodec");
    builder.compile_fds_with_config(descriptors, config)?;
    Ok(())
}
