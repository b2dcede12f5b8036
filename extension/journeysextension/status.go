package journeysextension

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otelcol-journey/otelcol-journey/extension/journeysextension/internal/api"
	"github.com/otelcol-journey/otelcol-journey/internal/journey"
)

// maxMessage is how many characters of an error are shown.
const maxMessage = 500

// statuses is what the Collector says of its components. There are as many as
// the configuration has.
type statuses struct {
	mu  sync.Mutex
	all map[statusKey]api.Component
}

type statusKey struct{ kind, id string }

// kinds are the words for components, in the order in which data passes them.
var kinds = []string{"receiver", "processor", "connector", "exporter", "extension"}

// ComponentStatusChanged implements componentstatus.Watcher.
func (x *journeysExtension) ComponentStatusChanged(source *componentstatus.InstanceID, event *componentstatus.Event) {
	x.statuses.set(source, event)
}

func (s *statuses) set(source *componentstatus.InstanceID, event *componentstatus.Event) {
	since := event.Timestamp().UTC()
	c := api.Component{
		ID: source.ComponentID().String(), Kind: kindOf(source.Kind()), Pipelines: []string{},
		Status: statusOf(event.Status()), Since: &since,
	}
	if err := event.Err(); err != nil {
		c.Error, _ = journey.Text(err.Error(), maxMessage)
	}
	source.AllPipelineIDs(func(id pipeline.ID) bool {
		c.Pipelines = append(c.Pipelines, id.String())
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[statusKey]api.Component)
	}
	// A processor has an instance in each of its pipelines.
	key := statusKey{c.Kind, c.ID + " " + strings.Join(c.Pipelines, " ")}
	if had, ok := s.all[key]; ok && had.Status == c.Status {
		c.Since = had.Since
	}
	s.all[key] = c
}

func kindOf(k component.Kind) string { return strings.ToLower(k.String()) }

func statusOf(s componentstatus.Status) string {
	switch s {
	case componentstatus.StatusStarting:
		return "starting"
	case componentstatus.StatusOK:
		return "ok"
	case componentstatus.StatusRecoverableError:
		return "recoverable_error"
	case componentstatus.StatusPermanentError:
		return "permanent_error"
	case componentstatus.StatusFatalError:
		return "fatal_error"
	case componentstatus.StatusStopping:
		return "stopping"
	default:
		return "stopped"
	}
}

func (s *statuses) components() []api.Component {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]api.Component, 0, len(s.all))
	for _, c := range s.all {
		at := *c.Since
		c.Since = &at
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b api.Component) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(a.ID, b.ID), slices.Compare(a.Pipelines, b.Pipelines),
		)
	})
	return list
}
