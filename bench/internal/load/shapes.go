package load

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// shape is a kind of span with the attributes that OpenTelemetry's
// instrumentation libraries give it (semantic conventions v1.37).
type shape int

const (
	httpServer shape = iota
	httpClient
	rpcServer
	rpcClient
	sql
	redis
	producer
	consumer
)

var kinds = [...]ptrace.SpanKind{
	httpServer: ptrace.SpanKindServer, httpClient: ptrace.SpanKindClient,
	rpcServer: ptrace.SpanKindServer, rpcClient: ptrace.SpanKindClient,
	sql: ptrace.SpanKindClient, redis: ptrace.SpanKindClient,
	producer: ptrace.SpanKindProducer, consumer: ptrace.SpanKindConsumer,
}

// scopes are the instrumentation libraries.
var scopes = [...]string{
	httpServer: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
	httpClient: "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp",
	rpcServer:  "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
	rpcClient:  "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc",
	sql:        "github.com/XSAM/otelsql",
	redis:      "github.com/redis/go-redis/extra/redisotel",
	producer:   "example.com/shop/messaging",
	consumer:   "example.com/shop/messaging",
}

// attributes writes what the span's shape asks for.
func (s *span) attributes(m pcommon.Map) {
	m.EnsureCapacity(14)
	switch s.step.shape {
	case httpServer:
		s.httpServer(m)
	case httpClient:
		s.httpClient(m)
	case rpcServer, rpcClient:
		s.rpc(m)
	case sql:
		s.sql(m)
	case redis:
		s.redis(m)
	case producer, consumer:
		s.messaging(m)
	}
}

// pick gives the nth of the span's random numbers below limit.
func (s *span) pick(n int, limit uint64) uint64 {
	return (s.salt >> (8 * n)) % limit
}

func (s *span) method() string {
	method, _, _ := strings.Cut(s.step.name, " ")
	return method
}

func (s *span) httpStatus() int64 {
	if s.failed {
		return 500
	}
	return 200
}

func (s *span) httpServer(m pcommon.Map) {
	m.PutStr("http.request.method", s.method())
	m.PutStr("http.route", s.step.target)
	m.PutStr("url.path", strings.ReplaceAll(s.step.target, "{id}", fmt.Sprint(s.pick(0, 100_000))))
	m.PutStr("url.scheme", "http")
	m.PutInt("http.response.status_code", s.httpStatus())
	m.PutStr("server.address", serviceNames[s.step.service]+".shop.svc.cluster.local")
	m.PutInt("server.port", 8080)
	m.PutStr("client.address", s.address(1))
	m.PutStr("network.peer.address", s.address(2))
	m.PutInt("network.peer.port", int64(32_768+s.pick(3, 28_000)))
	m.PutStr("network.protocol.version", "1.1")
	m.PutStr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	m.PutInt("http.response.body.size", int64(s.pick(4, 20_000)))
}

func (s *span) httpClient(m pcommon.Map) {
	host := "http://internal.shop.svc.cluster.local:8080"
	m.PutStr("http.request.method", s.method())
	m.PutStr("url.full", host+strings.ReplaceAll(s.step.target, "{id}", fmt.Sprint(s.pick(0, 100_000))))
	m.PutInt("http.response.status_code", s.httpStatus())
	m.PutStr("server.address", "internal.shop.svc.cluster.local")
	m.PutInt("server.port", 8080)
	m.PutStr("network.peer.address", s.address(1))
	m.PutInt("network.peer.port", 8080)
	m.PutStr("network.protocol.name", "http")
	m.PutStr("network.protocol.version", "1.1")
	m.PutInt("http.request.body.size", int64(s.pick(3, 4_000)))
	m.PutInt("http.response.body.size", int64(s.pick(4, 20_000)))
}

func (s *span) rpc(m pcommon.Map) {
	service, method, _ := strings.Cut(s.step.name, "/")
	status := int64(0)
	if s.failed {
		status = 13 // INTERNAL
	}
	m.PutStr("rpc.system", "grpc")
	m.PutStr("rpc.service", service)
	m.PutStr("rpc.method", method)
	m.PutInt("rpc.grpc.status_code", status)
	m.PutStr("server.address", "dns:///"+strings.ToLower(method)+".shop.svc.cluster.local")
	m.PutInt("server.port", 50_051)
	m.PutStr("network.peer.address", s.address(1))
	m.PutInt("network.peer.port", int64(32_768+s.pick(3, 28_000)))
	m.PutStr("network.transport", "tcp")
	m.PutStr("user.id", fmt.Sprintf("user-%06d@customers.shop.example.com", s.pick(2, 500_000)))
	m.PutStr("session.id", s.token())
}

func (s *span) sql(m pcommon.Map) {
	operation, table, _ := strings.Cut(s.step.name, " ")
	m.PutStr("db.system.name", "postgresql")
	m.PutStr("db.namespace", "shop")
	m.PutStr("db.operation.name", operation)
	m.PutStr("db.collection.name", table)
	m.PutStr("db.query.summary", s.step.name)
	m.PutStr("db.query.text", s.step.target)
	m.PutStr("server.address", "postgres-primary.shop.svc.cluster.local")
	m.PutInt("server.port", 5432)
	m.PutStr("network.peer.address", s.address(1))
	m.PutInt("network.peer.port", 5432)
	m.PutInt("db.response.returned_rows", int64(s.pick(2, 40)))
}

func (s *span) redis(m pcommon.Map) {
	m.PutStr("db.system.name", "redis")
	m.PutStr("db.namespace", "0")
	m.PutStr("db.operation.name", s.step.name)
	m.PutStr("db.query.text", strings.ReplaceAll(s.step.target, "?", s.token()))
	m.PutStr("server.address", "redis-master.shop.svc.cluster.local")
	m.PutInt("server.port", 6379)
	m.PutStr("network.peer.address", s.address(1))
	m.PutInt("network.peer.port", 6379)
	m.PutStr("network.transport", "tcp")
	m.PutStr("network.protocol.name", "resp3")
	m.PutStr("db.client.connection.pool.name", "redis-master.shop.svc.cluster.local:6379/0")
	m.PutInt("db.redis.connection_string.hash", int64(s.pick(0, 1<<40)))
}

func (s *span) messaging(m pcommon.Map) {
	operation, _, _ := strings.Cut(s.step.name, " ")
	m.PutStr("messaging.system", "rabbitmq")
	m.PutStr("messaging.operation.name", operation)
	m.PutStr("messaging.operation.type", operation)
	m.PutStr("messaging.destination.name", s.step.target)
	m.PutStr("messaging.rabbitmq.destination.routing_key", "checkout.processed")
	m.PutStr("messaging.message.id", s.token())
	m.PutInt("messaging.message.body.size", int64(200+s.pick(2, 2_000)))
	m.PutStr("server.address", "rabbitmq.shop.svc.cluster.local")
	m.PutInt("server.port", 5672)
	m.PutStr("network.peer.address", s.address(1))
	m.PutInt("network.peer.port", 5672)
	m.PutStr("network.protocol.name", "amqp")
}

func (s *span) address(n int) string {
	return fmt.Sprintf("10.42.%d.%d", s.pick(n, 16), s.pick(n+1, 250))
}

func (s *span) token() string {
	return fmt.Sprintf("%016x-%04x", s.salt, s.pick(3, 1<<16))
}
