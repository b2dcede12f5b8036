# syntax=docker/dockerfile:1
# The collector: bin/otelcol-journey with the published configuration, on an empty
# base image. It has no shell; `/probe URL` is there for health checks.
#
#   docker build -t otelcol-journey .
#   docker run --rm -p 127.0.0.1:4317:4317 -e OTLP_GRPC_ENDPOINT=0.0.0.0:4317 otelcol-journey

# The compiler runs on the machine that builds, whatever the image is for.
FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine AS build
WORKDIR /src
ENV CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=local GOFLAGS=-buildvcs=false
COPY . .

# The same two steps as `make build`: ocb writes the main package, the compiler compiles it.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go tool -modfile=internal/tools/go.mod builder --config builder-config.yaml --skip-compilation

ARG TARGETOS TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    export GOOS=$TARGETOS GOARCH=$TARGETARCH && \
    go build -C _build -mod=mod -trimpath -ldflags '-s -w' -o /out/otelcol-journey . && \
    go build -trimpath -ldflags '-s -w' -o /out/probe ./cmd/probe && \
    mkdir -p /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/otelcol-journey /otelcol-journey
COPY --from=build /out/probe /probe
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /src/otelcol-config.yaml /etc/otelcol-journey/config.yaml
# A named volume takes owner and mode from here, so that the collector may write to it.
COPY --from=build --chown=65532:65532 /out/state /var/lib/otelcol-journey
USER 65532:65532
WORKDIR /var/lib/otelcol-journey
EXPOSE 4317 4318 8686 8888 13133
ENTRYPOINT ["/otelcol-journey"]
CMD ["--config=/etc/otelcol-journey/config.yaml"]
