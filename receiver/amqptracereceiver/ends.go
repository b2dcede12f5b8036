package amqptracereceiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// needsOperator is true for what a wait will hardly heal: rights, names, certificates.
func needsOperator(err error) bool {
	// RabbitMQ hangs up on a wrong password without a word to this client, which then says ErrCredentials.
	for _, sure := range []error{errTLSConfig, errNotWelcome, errShared, amqp.ErrCredentials, amqp.ErrVhost, amqp.ErrSASL} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return refusedByTLS(err) || refusedByBroker(err)
}

// refusedByTLS is true if one side does not accept the other's certificate, or one does not speak TLS.
func refusedByTLS(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.AlertError)) ||
		errors.As(err, new(tls.RecordHeaderError))
}

func refusedByBroker(err error) bool {
	var fault *amqp.Error
	if !errors.As(err, &fault) || !fault.Server || ackTimedOut(err) {
		return false
	}
	switch fault.Code {
	case amqp.AccessRefused, amqp.NotFound, amqp.PreconditionFailed, amqp.NotAllowed:
		return true
	}
	return false
}

// ackTimedOut is true if the broker has lost patience with an unsettled delivery (consumer_timeout).
func ackTimedOut(err error) bool {
	var fault *amqp.Error
	return errors.As(err, &fault) && fault.Server && fault.Code == amqp.PreconditionFailed &&
		strings.Contains(fault.Reason, "delivery acknowledgement")
}

// reconnectReason is the error as a metric's label.
func reconnectReason(err error) string {
	var fault *amqp.Error
	isFault := errors.As(err, &fault)
	switch {
	case errors.Is(err, errCancelled):
		return "cancelled"
	case errors.Is(err, errNoAnswer), errors.Is(err, context.DeadlineExceeded):
		return "no_answer"
	case ackTimedOut(err):
		return "ack_timeout"
	case errors.Is(err, errUnreadable):
		return "unreadable"
	case needsOperator(err):
		return "refused"
	case errors.Is(err, errChannelClosed):
		return "channel_closed"
	case isFault && fault.Code == amqp.ConnectionForced:
		return "broker_stopped"
	case isFault && strings.Contains(fault.Reason, os.ErrDeadlineExceeded.Error()):
		return "heartbeat_missed"
	case errors.As(err, new(*net.OpError)):
		return "unreachable"
	}
	return "connection_lost"
}

// statusOf is what the component's status says while err keeps it from reading. It stays a
// recoverable one also if an operator has to act: the Collector knows no way back from a permanent
// error, and the receiver does come back once the operator has acted. The attributes tell them apart.
func statusOf(err error, at endpoint) *componentstatus.Event {
	attributes := pcommon.NewMap()
	attributes.PutStr("endpoint", at.String())
	attributes.PutStr("reason", reconnectReason(err))
	attributes.PutBool("needs_operator", needsOperator(err))
	if needsOperator(err) {
		err = fmt.Errorf("an operator has to act: %w", err)
	}
	return componentstatus.NewEvent(componentstatus.StatusRecoverableError,
		componentstatus.WithError(err), componentstatus.WithAttributes(attributes))
}
