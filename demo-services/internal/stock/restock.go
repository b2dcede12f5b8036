package stock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"

	amqp "github.com/rabbitmq/amqp091-go"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/broker"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/event"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/messaging"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/store"
)

// largestBody bounds what a caller may send.
const largestBody = 64 << 10

// Routes are the HTTP service: POST /api/restock orders goods, which arrive
// some seconds later by way of a queue.
func (s *Service) Routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/restock", s.order)
	return mux
}

func (s *Service) order(w http.ResponseWriter, req *http.Request) {
	var due event.RestockDue
	err := json.NewDecoder(http.MaxBytesReader(w, req.Body, largestBody)).Decode(&due)
	if err != nil || due.Item == "" || due.Quantity <= 0 {
		app.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "want an item and a quantity above 0"})
		return
	}
	ctx := req.Context()
	s.log.InfoContext(ctx, "goods ordered", "item", due.Item, "quantity", due.Quantity)
	if err := s.supply(ctx, due); err != nil {
		s.log.ErrorContext(ctx, "restock not ordered", "item", due.Item, "error", err)
		app.WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error()})
		return
	}
	app.WriteJSON(w, http.StatusAccepted, map[string]string{"status": "ordered"})
}

// supply records the order and sends the message that arrives with the goods.
func (s *Service) supply(ctx context.Context, due event.RestockDue) error {
	insert := store.Call{Operation: "INSERT", Collection: "restocks", Text: "INSERT INTO restocks (item, quantity) VALUES ($1, $2)"}
	if err := s.database.Do(ctx, insert, func() error { return nil }); err != nil {
		return err
	}
	body, err := json.Marshal(due)
	if err != nil {
		return fmt.Errorf("encode restock of %q: %w", due.Item, err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	return s.sender.Send(ctx, messaging.Message{Key: broker.RestockDelay, ID: rand.Text(), Body: body})
}

// Restock handles one message of the restock queue.
func (s *Service) Restock(ctx context.Context, d amqp.Delivery) broker.Verdict {
	ctx, span := messaging.StartProcess(ctx, s.tracer, s.propagator, broker.RestockQueue, d)
	defer span.End()
	var due event.RestockDue
	if err := json.Unmarshal(d.Body, &due); err != nil {
		return s.giveUp(ctx, span, "restock not readable", err)
	}
	span.SetAttributes(attribute.String("shop.item", due.Item), attribute.Int("shop.quantity", due.Quantity))
	if err := s.change(ctx, []string{due.Item}, due.Quantity); err != nil {
		fail(span, err)
		s.log.ErrorContext(ctx, "goods not stored, giving the message back", "item", due.Item, "error", err)
		return broker.Requeue
	}
	s.log.InfoContext(ctx, "goods stored", "item", due.Item, "quantity", due.Quantity)
	return broker.Accept
}
