package variables

import "slices"

// instrumented lists the OpenTelemetry variables. The names and meanings are
// the specification's; where a default differs, the purpose says so.
func instrumented(service string) []Variable {
	return slices.Concat(identity(service), exporters(), batching())
}

func identity(service string) []Variable {
	return []Variable{
		{Name: "OTEL_SERVICE_NAME", Kind: Text, Default: service, Purpose: "service.name of all telemetry"},
		{Name: "OTEL_RESOURCE_ATTRIBUTES", Kind: Text, Purpose: "more attributes of the resource, key=value,key=value"},
		{
			Name: "OTEL_PROPAGATORS", Kind: List, Default: "tracecontext,baggage", Choices: []string{"tracecontext", "baggage", "none"},
			Purpose: "formats of the span context in HTTP, gRPC and AMQP headers",
		},
		{
			Name: "OTEL_TRACES_SAMPLER", Kind: Choice, Default: "parentbased_always_on",
			Choices: []string{
				"always_on", "always_off", "traceidratio",
				"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
			},
			Purpose: "head sampling, before the collector sees anything",
		},
		{Name: "OTEL_TRACES_SAMPLER_ARG", Kind: Ratio, Purpose: "ratio for the traceidratio samplers"},
	}
}

func exporters() []Variable {
	return []Variable{
		{
			Name: "OTEL_TRACES_EXPORTER", Kind: List, Default: "otlp", Choices: []string{"otlp", "console", "none"},
			Purpose: "where spans go; console writes them to standard output",
		},
		{
			Name: "OTEL_LOGS_EXPORTER", Kind: List, Default: "otlp", Choices: []string{"otlp", "none"},
			Purpose: "where log records go besides standard error",
		},
		{
			Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Kind: HTTPURL, Default: "http://localhost:4317",
			Purpose: "OTLP receiver; http is plain text, https is TLS (the SDK alone would use TLS by default)",
		},
		{Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Kind: HTTPURL, Purpose: "the same for spans only"},
		{Name: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", Kind: HTTPURL, Purpose: "the same for log records only"},
		{Name: "OTEL_EXPORTER_OTLP_PROTOCOL", Kind: Choice, Default: "grpc", Choices: []string{"grpc"}, Purpose: "only grpc is built in"},
		{Name: "OTEL_EXPORTER_OTLP_HEADERS", Kind: Text, Secret: true, Purpose: "headers for the receiver, key=value,key=value"},
		{Name: "OTEL_EXPORTER_OTLP_TIMEOUT", Kind: Millis, Default: "60000", Purpose: "time for one batch with its retries: how long the receiver may be away"},
		{Name: "OTEL_EXPORTER_OTLP_COMPRESSION", Kind: Choice, Default: "none", Choices: []string{"gzip", "none"}, Purpose: "compression of exports"},
		{Name: "OTEL_EXPORTER_OTLP_CERTIFICATE", Kind: Text, Purpose: "file with the CA certificate for https"},
	}
}

// batching has a shorter delay than the SDK's five seconds, because people
// watch, and a longer queue than its 2048, so that a collector can restart
// without a span being dropped at the rates of the demo.
func batching() []Variable {
	return []Variable{
		{Name: "OTEL_BSP_SCHEDULE_DELAY", Kind: Millis, Default: "1000", Purpose: "longest wait of a span for its batch"},
		{Name: "OTEL_BSP_MAX_QUEUE_SIZE", Kind: Count, Default: "32768", Purpose: "spans held while the receiver is away"},
		{Name: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", Kind: Count, Default: "512", Purpose: "spans in one export"},
		{Name: "OTEL_BSP_EXPORT_TIMEOUT", Kind: Millis, Default: "70000", Purpose: "the batch processor's own limit for one batch"},
		{Name: "OTEL_BLRP_SCHEDULE_DELAY", Kind: Millis, Default: "1000", Purpose: "longest wait of a log record for its batch"},
		{Name: "OTEL_BLRP_MAX_QUEUE_SIZE", Kind: Count, Default: "32768", Purpose: "log records held while the receiver is away"},
		{Name: "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", Kind: Count, Default: "512", Purpose: "log records in one export"},
		{Name: "OTEL_BLRP_EXPORT_TIMEOUT", Kind: Millis, Default: "70000", Purpose: "the batch processor's own limit for one batch"},
	}
}
