// Package event has the bodies of the shop's messages, JSON on the wire.
package event

// CheckoutProcessed says that a cart has been paid for. Its message id is the order's.
type CheckoutProcessed struct {
	OrderID     string   `json:"order_id"`
	Items       []string `json:"items"`
	TotalAmount int64    `json:"total_amount"` // cents
}

// RestockDue says that ordered goods have arrived.
type RestockDue struct {
	Item     string `json:"item"`
	Quantity int    `json:"quantity"`
}
