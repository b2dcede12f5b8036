// Package checkoutpb is the generated gRPC contract between gateway and checkout.
//
// The generators come from the Go module proxy and are pinned: buf here,
// protoc-gen-go in go.mod, protoc-gen-go-grpc in buf.gen.yaml.
package checkoutpb

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.57.2 generate ../.. --template ../../buf.gen.yaml --output ../..
