package facts

// maxTexts is how many texts are shared at a time: the services and operations
// of most installations, and 1 MiB if each is as long as it may be. When there
// are more, all are forgotten, and shared anew from then on.
const maxTexts = 4096

// Texts holds names once that come with every batch anew. The names of
// services and operations are the only texts that outlive most traces' spans;
// shared, a trace that waits has a dozen objects fewer for the garbage
// collector to visit. One goroutine at a time.
type Texts map[string]string

// shared returns the text that stands for all that are equal to s. Without a
// place to share them, s itself.
func (t Texts) shared(s string) string {
	if t == nil {
		return s
	}
	if have, ok := t[s]; ok {
		return have
	}
	if len(t) == maxTexts {
		clear(t)
	}
	t[s] = s
	return s
}

// Share has the names of the resource's spans shared in t.
func (r *Resource) Share(t Texts) {
	r.texts = t
	r.service = t.shared(r.service)
}
