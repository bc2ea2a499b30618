# syntax=docker/dockerfile:1
# The same image as `make image`, for those who have Docker: one static binary on an empty base.
#
#   docker build -t localhost/plimsoll-operator:0.1.0 .
FROM rust:1.95-alpine AS build
# For the parts of TLS (ring) that are C and assembly. On Alpine Rust links statically by itself.
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package plimsoll-operator \
    && install -m 0555 target/release/plimsoll-operator /plimsoll-operator

FROM scratch
LABEL org.opencontainers.image.title="plimsoll-operator" \
      org.opencontainers.image.description="One autoscaler for a Kubernetes cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /plimsoll-operator /plimsoll-operator
WORKDIR /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/plimsoll-operator"]
