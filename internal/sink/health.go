package sink

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Health is how a sink is.
type Health struct {
	About

	Name string
	// Position is the last entry that the receiver has.
	Position audit.Position
	// Entries are not delivered, and the oldest of them is Lag old.
	Entries uint64
	Lag     time.Duration
	// Behind says that it is more than it may be.
	Behind bool
	// Delivered and Failures count since the server started: entries, and
	// attempts that failed.
	Delivered, Failures int64
	DeliveredAt         time.Time
	// Error is why the last attempt failed, at FailedAt, and NextAt when the
	// next one is; zero when that was none.
	Error            string
	FailedAt, NextAt time.Time
}

// Health returns how each sink is, in the order of the configuration.
func (s *Sinks) Health() []Health {
	list := make([]Health, len(s.all))
	for i, one := range s.all {
		list[i] = one.health()
	}
	return list
}

func (s *sink) health() Health {
	now, last := s.c.Now(), s.c.Log.Last()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{
		About: s.about, Name: s.o.Name, Position: s.state.Position, Behind: !s.state.ToldAt.IsZero(), Delivered: s.delivered,
		Failures: s.failed, DeliveredAt: s.state.DeliveredAt, Error: s.failure, FailedAt: s.failedAt, NextAt: s.nextAt,
	}
	if last > s.state.Position {
		h.Entries = uint64(last - s.state.Position)
		if !s.oldest.IsZero() {
			h.Lag = max(0, now.Sub(s.oldest))
		}
	}
	return h
}

// tell emits an event when the sink has fallen behind: one until it has caught
// up.
func (s *sink) tell(ctx context.Context) {
	h, now := s.health(), s.c.Now().UTC()
	var err error
	switch {
	case !h.Behind && h.Lag > s.o.Behind:
		err = s.store(ctx, func(n *state) { n.ToldAt = now }, s.behind(&h, now))
	case h.Behind && h.Lag <= s.o.Behind/2:
		err = s.store(ctx, func(n *state) { n.ToldAt = time.Time{} })
	}
	if err != nil {
		s.out.ErrorContext(ctx, "nobody could be told that a sink of the audit log is behind", slog.Any("cause", err))
	}
}

func (s *sink) behind(h *Health, now time.Time) *event.Event {
	e := &event.Event{
		ID:   fmt.Sprintf("%s/%s/%s", event.SinkBehind, s.o.Name, now.Format(time.RFC3339Nano)),
		Kind: event.SinkBehind, Realm: key.DefaultRealm, Time: now, Name: s.o.Name,
		Subject: key.Resource{Kind: key.KindServer, Realm: key.DefaultRealm, ID: "audit/sink/" + s.o.Name}.String(),
		Summary: fmt.Sprintf("The audit log does not get to %s: %d entries wait, the oldest for %s", s.o.Name, h.Entries, h.Lag.Round(time.Second)),
		Details: []event.Detail{
			{Name: "kind", Value: h.Kind},
			{Name: "target", Value: h.Target},
			{Name: "entries", Value: strconv.FormatUint(h.Entries, 10)},
			{Name: "seconds", Value: strconv.Itoa(int(h.Lag.Seconds()))},
		},
	}
	if h.Error != "" {
		e.Details = append(e.Details, event.Detail{Name: "error", Value: h.Error})
	}
	return e
}

// maxBrief bounds what is kept of an error, in characters.
const maxBrief = 300

// brief returns an error's text on one line.
func brief(err error) string {
	text := make([]rune, 0, maxBrief)
	for _, r := range err.Error() {
		if len(text) == maxBrief {
			break
		}
		if r < ' ' || r == 0x7F {
			r = ' '
		}
		text = append(text, r)
	}
	return string(text)
}

// Figures returns the figures of sinks. Their only label is the sink's
// configured name.
func Figures(read func() []Health) *figure.Table[Health] {
	return &figure.Table[Health]{
		Label: "sink", Of: func(h *Health) string { return h.Name }, Read: read,
		Figures: []figure.Figure[Health]{
			figure.Gauge("holdfast_audit_sink_lag_entries", "Audit entries that are not delivered to the sink.", func(h *Health) int { return int(h.Entries) }), //nolint:gosec // a count
			figure.Gauge("holdfast_audit_sink_lag_seconds", "Age of the oldest audit entry that is not delivered to the sink.", func(h *Health) int { return int(h.Lag.Seconds()) }),
			figure.Flag("holdfast_audit_sink_behind", "1 while the sink is further behind than its configuration allows.", func(h *Health) bool { return h.Behind }),
			figure.Counter("holdfast_audit_sink_delivered_total", "Audit entries that the sink took.", func(h *Health) int64 { return h.Delivered }),
			figure.Counter("holdfast_audit_sink_failures_total", "Attempts at the sink that failed.", func(h *Health) int64 { return h.Failures }),
		},
	}
}
