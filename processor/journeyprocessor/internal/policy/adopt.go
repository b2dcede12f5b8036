package policy

// Adopt takes over what another processor has learned, by other rules perhaps.
// No decision may be made by either meanwhile, nor by old later. What the rules
// here do not ask about is left.
func (l *Learned) Adopt(old *Learned) {
	l.calls.adopt(&old.calls)
	l.shapes.adopt(old.shapes)
	if l.durations != nil && old.durations != nil {
		l.durations.adopt(old.durations)
	}
}

func (c *calls) adopt(old *calls) {
	for i := range old.sets {
		for way := range old.sets[i] {
			from, to := &old.sets[i][way], &c.sets[i][way]
			to.key.Store(from.key.Load())
			to.counts.Store(from.counts.Load())
		}
	}
}

// adopt takes as many counts as there is room for. A rule that has changed its
// place may count on from another one's count, until that one's interval ends.
func (s *shapes) adopt(old *shapes) {
	s.mu.Lock() // for whoever reads the metrics
	defer s.mu.Unlock()
	for key, count := range old.seen {
		if len(s.seen) == s.max {
			return
		}
		s.seen[key] = count
	}
}

func (d *durations) adopt(old *durations) {
	for name, known := range old.byName {
		if name != otherNames && len(d.byName) >= d.MaxNames {
			continue
		}
		d.byName[name] = &learnedDurations{sketches: known.sketches}
	}
}
