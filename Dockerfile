# Builds the program and puts it into a small image that runs as an ordinary user. docker-compose.yml shows how it is run.

FROM rust:1.95-slim-trixie AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# The dependencies first: they change seldom, and this layer is kept.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src && touch src/lib.rs ARCHITECTURE.md && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --no-default-features --bin watchfloor \
    && rm -rf src
COPY ARCHITECTURE.md ./
COPY migrations migrations
COPY static static
COPY templates templates
COPY src src
# Cargo judges by the time of change, and the copied files may be older than the layer above.
RUN find src migrations templates static -type f -exec touch {} + \
    && cargo build --release --locked --no-default-features --bin watchfloor

FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin watchfloor
COPY --from=build /build/target/release/watchfloor /usr/local/bin/watchfloor
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/watchfloor"]
CMD ["serve"]
