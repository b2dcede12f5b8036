package verdict

// Counts is what a journey processor says it has done with spans.
type Counts struct {
	Received float64 `json:"received"`
	Kept     float64 `json:"kept"`
	Dropped  float64 `json:"dropped"`
	Pending  float64 `json:"pending"`
	Lost     float64 `json:"lost"`
}

// Missing is how many of the spans received are in none of the other counts;
// negative if some are in two of them. Counts are read one after the other, so
// while spans flow it is near 0 and only at rest exactly that.
func (c Counts) Missing() float64 {
	return c.Received - c.Kept - c.Dropped - c.Pending - c.Lost
}
