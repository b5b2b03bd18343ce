// Package tap lets others see every audit entry on its way into the log:
// what counts calls, and what looks for bursts of refusals.
package tap

import "github.com/holdfast-kms/holdfast/internal/audit"

// Observer is shown every entry. Observe is called in the request's own
// goroutine, from many at a time: it must be quick, must not block, and must
// keep neither the entry nor its Details.
type Observer interface {
	Observe(e *audit.Entry)
}

// recorder shows the entries that it records.
type recorder struct {
	audit.Recorder
	observers []Observer
}

// New returns r with observers.
func New(r audit.Recorder, observers ...Observer) audit.Recorder {
	return recorder{r, observers}
}

// Enqueue implements audit.Recorder.
func (r recorder) Enqueue(e *audit.Entry) (audit.Position, error) {
	position, err := r.Recorder.Enqueue(e)
	for _, o := range r.observers {
		o.Observe(e)
	}
	return position, err
}
