package gateway

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/app"
	"github.com/otelcol-journey/otelcol-journey/demo-services/internal/checkoutpb"
)

type cart struct {
	Items []string `json:"items"`
}

// doCheckout answers 202: the order is paid for, the goods are reserved later.
func (s *Service) doCheckout(w http.ResponseWriter, req *http.Request) {
	var c cart
	if err := s.decode(w, req, &c); err != nil {
		s.fail(w, req, http.StatusBadRequest, `request is not a cart, such as {"items": ["sku-1001"]}`, err)
		return
	}
	if err := s.session(req); err != nil {
		s.fail(w, req, http.StatusInternalServerError, "session unknown", err)
		return
	}
	s.log.InfoContext(req.Context(), "checkout requested", "items", len(c.Items))
	ctx, cancel := context.WithTimeout(req.Context(), callTime)
	defer cancel()
	resp, err := s.checkout.DoCheckout(ctx, &checkoutpb.DoCheckoutRequest{ItemsID: c.Items})
	if status.Code(err) == codes.InvalidArgument {
		s.fail(w, req, http.StatusBadRequest, "cart refused: "+status.Convert(err).Message(), err)
		return
	}
	if err != nil {
		s.fail(w, req, http.StatusInternalServerError, "checkout failed", err)
		return
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.Int64("shop.total_amount", resp.GetTotalAmount()))
	s.log.InfoContext(ctx, "checkout accepted", "total_amount", resp.GetTotalAmount())
	app.WriteJSON(w, http.StatusAccepted, map[string]any{"status": "accepted", "total_amount": resp.GetTotalAmount()})
}
