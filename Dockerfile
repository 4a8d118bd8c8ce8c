# Florin in a container: built from source with TLS towards Kafka, run by a user without rights, nothing in the image but the binary and what it links to.
#
#   docker build -t florin . && docker run --rm florin --help

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies first: they are built again only when they change.
COPY Cargo.toml Cargo.lock build.rs ./
COPY proto proto
COPY migrations migrations
COPY wire wire
COPY rules rules
COPY scripts/dev_kafka.sh scripts/
COPY servers servers
COPY pdf pdf
# A member of the workspace: not built, but cargo wants to see it.
COPY load-tests load-tests
RUN mkdir src && echo 'fn main() {}' >src/main.rs && touch src/lib.rs \
 && cargo build --locked --release --bin florin --features kafka-tls \
 && rm -rf src
COPY . .
# The sources' times may be older than what was just built from the stand-ins.
RUN touch src/main.rs src/lib.rs build.rs && cargo build --locked --release --bin florin --features kafka-tls && strip --strip-debug target/release/florin

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin florin
COPY --from=build /src/target/release/florin /usr/local/bin/florin
USER 10001
# gRPC, HTTP, metrics.
EXPOSE 50051 3000 9090
# A drain: stop accepting, finish, flush, exit 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/florin"]
CMD ["serve"]
