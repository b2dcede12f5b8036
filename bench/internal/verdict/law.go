package verdict

// Counts is what a journey processor says it has done with spans.
type Counts struct {
	Received float64 `json:"received"`
	Kept     float64 `json:"kept"`
	Dropped  float64 `json:"dropped"`
	Pending  float64 `json:"pending"`
	Lost     float64 `json:"lost"`
	// Recallable are those of Pending that are held in case an error comes late,
	// although their trace was decided to be dropped.
	Recallable float64 `json:"recallable"`
}

// Undecided is how many spans wait for a decision or to be handed on.
func (c Counts) Undecided() float64 { return c.Pending - c.Recallable }

// Missing is how many of the spans received are in none of the other counts;
// negative if some are in two of them. Counts are read one after the other, so
// while spans flow it is near 0 and only at rest exactly that.
func (c Counts) Missing() float64 {
	return c.Received - c.Kept - c.Dropped - c.Pending - c.Lost
}
