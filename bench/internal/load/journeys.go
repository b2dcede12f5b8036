package load

// service is one of the shop's services. Each runs in two instances.
type service int

const (
	gateway service = iota
	checkout
	payment
	stock
	orders
	users
	mailer
	services // how many
)

const instancesPerService = 2

var serviceNames = [services]string{"gateway", "checkout", "payment", "stock", "orders", "users", "mailer"}

// step is one span of a journey, with what it calls before it ends.
type step struct {
	service service
	shape   shape
	name    string
	target  string // route, method, statement or queue, as the shape needs it
	calls   []*step
	// upTo is how many times the step may happen in a row (items of an order);
	// 0 is once.
	upTo int
	// async steps are consumers: they begin when the message is delivered, and
	// nobody waits for them.
	async bool
}

// journey is what a user does, and how often.
type journey struct {
	share float64 // of the traces
	rare  bool    // must be kept
	root  *step
}

// journeys sum up to 1.
var journeys = []journey{
	{share: 0.662, root: checkoutJourney},
	{share: 0.24, root: historyJourney},
	{share: 0.097, root: searchJourney},
	{share: 0.001, rare: true, root: giftJourney},
}

var checkoutJourney = &step{
	service: gateway, shape: httpServer, name: "POST /api/checkout", target: "/api/checkout",
	calls: []*step{{
		service: gateway, shape: rpcClient, name: "shop.checkout.v1.CheckoutService/DoCheckout", target: "DoCheckout",
		calls: []*step{{
			service: checkout, shape: rpcServer, name: "shop.checkout.v1.CheckoutService/DoCheckout", target: "DoCheckout",
			calls: []*step{
				{service: checkout, shape: redis, name: "HGETALL", target: "HGETALL cart:?"},
				{service: checkout, shape: sql, name: "SELECT prices", target: "SELECT p.id, p.amount, p.currency, p.valid_from FROM shop.prices AS p WHERE p.id = $1 AND p.valid_from <= $2 AND p.valid_until > $2 FOR SHARE", upTo: 3},
				chargeStep,
				{service: checkout, shape: sql, name: "INSERT orders", target: "INSERT INTO shop.orders (id, user_id, session_id, amount, currency, created_at) VALUES ($1, $2, $3, $4, $5, now()) RETURNING id"},
				processedStep,
			},
		}},
	}},
}

var chargeStep = &step{
	service: checkout, shape: rpcClient, name: "shop.payment.v1.PaymentService/Charge", target: "Charge",
	calls: []*step{{
		service: payment, shape: rpcServer, name: "shop.payment.v1.PaymentService/Charge", target: "Charge",
		calls: []*step{
			{service: payment, shape: sql, name: "INSERT payments", target: "INSERT INTO shop.payments (id, order_id, provider, amount, currency, state) VALUES ($1, $2, $3, $4, $5, $6)"},
		},
	}},
}

var processedStep = &step{
	service: checkout, shape: producer, name: "send shop", target: "shop",
	calls: []*step{
		{
			service: stock, shape: consumer, async: true, name: "process stock-queue", target: "stock-queue",
			calls: []*step{
				{service: stock, shape: sql, name: "UPDATE stock", target: "UPDATE shop.stock SET reserved = reserved + $1, updated_at = now() WHERE item_id = $2 AND available - reserved >= $1 RETURNING available", upTo: 3},
				{service: stock, shape: redis, name: "DEL", target: "DEL stock:?"},
			},
		},
		{
			service: mailer, shape: consumer, async: true, name: "process mailer-queue", target: "mailer-queue",
			calls: []*step{
				{service: mailer, shape: sql, name: "SELECT templates", target: "SELECT t.subject, t.body FROM shop.templates AS t WHERE t.name = $1 AND t.language = $2"},
				{service: mailer, shape: httpClient, name: "POST", target: "/v1/messages"},
			},
		},
	},
}

var historyJourney = &step{
	service: gateway, shape: httpServer, name: "GET /api/orders", target: "/api/orders",
	calls: []*step{{
		service: gateway, shape: httpClient, name: "GET", target: "/orders",
		calls: []*step{{
			service: orders, shape: httpServer, name: "GET /orders", target: "/orders",
			calls: []*step{
				{service: orders, shape: sql, name: "SELECT orders", target: "SELECT o.id, o.created_at, o.amount, o.currency FROM shop.orders AS o WHERE o.user_id = $1 ORDER BY o.created_at DESC LIMIT 50"},
				{service: orders, shape: sql, name: "SELECT order_lines", target: "SELECT l.item_id, l.count, l.amount, i.name FROM shop.order_lines AS l JOIN shop.items AS i ON i.id = l.item_id WHERE l.order_id = $1", upTo: 3},
				{
					service: orders, shape: httpClient, name: "GET", target: "/users/{id}",
					calls: []*step{userStep("GET /users/{id}", "/users/{id}")},
				},
			},
		}},
	}},
}

var searchJourney = &step{
	service: gateway, shape: httpServer, name: "GET /api/items", target: "/api/items",
	calls: []*step{{
		service: gateway, shape: rpcClient, name: "shop.stock.v1.StockService/Search", target: "Search",
		calls: []*step{{
			service: stock, shape: rpcServer, name: "shop.stock.v1.StockService/Search", target: "Search",
			calls: []*step{
				{service: stock, shape: redis, name: "GET", target: "GET search:?"},
				{service: stock, shape: sql, name: "SELECT items", target: "SELECT i.id, i.name, i.amount FROM shop.items AS i WHERE i.name ILIKE $1 LIMIT 20"},
			},
		}},
	}},
}

var giftJourney = &step{
	service: gateway, shape: httpServer, name: "POST /api/giftcards", target: "/api/giftcards",
	calls: []*step{{
		service: gateway, shape: httpClient, name: "POST", target: "/giftcards",
		calls: []*step{userStep("POST /giftcards", "/giftcards")},
	}},
}

func userStep(name, route string) *step {
	return &step{
		service: users, shape: httpServer, name: name, target: route,
		calls: []*step{
			{service: users, shape: redis, name: "GET", target: "GET user:?"},
			{service: users, shape: sql, name: "SELECT users", target: "SELECT u.id, u.name, u.email FROM shop.users AS u WHERE u.id = $1"},
		},
	}
}
