package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The bounds on the work of one step.
const (
	batch      = 200 // alarms judged
	expireRows = 500 // entries of histories deleted
)

// Between attempts to publish a message passes as much time as since the first
// one, at most maxWait; after giveUp there are no more.
const (
	minWait = 10 * time.Second
	maxWait = 10 * time.Minute
	giveUp  = 24 * time.Hour
)

// round is one judging of all alarms.
type round struct {
	at     time.Time // of the last one that began, a multiple of ten seconds
	minute bool      // it is the first one of its minute
	open   bool      // it has not come to its end
	after  string    // the alarm after which it goes on
}

// Tick judges some of the alarms if ten seconds have passed, publishes what
// they have to say, and forgets what is over. Alarms that look far back are
// judged once a minute.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.round.open {
		at := now.Truncate(10 * time.Second)
		if at.Equal(s.round.at) {
			return false, nil
		}
		minute := !at.Truncate(time.Minute).Equal(s.round.at.Truncate(time.Minute))
		s.round = round{at: at, minute: minute, open: true}
	}
	alarms, err := s.next(ctx)
	if err != nil {
		s.round.open = false
		return false, fmt.Errorf("reading alarms: %w", err)
	}
	var failures []error
	for _, a := range alarms {
		if err := s.attend(ctx, a, now); err != nil {
			failures = append(failures, fmt.Errorf("alarm %s: %w", a.Name, err))
		}
	}
	if len(alarms) == batch {
		s.round.after = idOf(alarms[batch-1].Realm, alarms[batch-1].Region, alarms[batch-1].Name)
		return len(failures) == 0, errors.Join(failures...)
	}
	s.round.open, s.round.after = false, ""
	if len(failures) == 0 {
		s.judged.Store(&now)
	}
	if s.round.minute {
		failures = append(failures, s.expire(ctx, now))
	}
	return false, errors.Join(failures...)
}

// Judged returns when the alarms were last judged, all of them; the zero time
// before the first time.
func (s *Service) Judged() time.Time {
	if at := s.judged.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// next returns the alarms with which the round goes on.
func (s *Service) next(ctx context.Context) (list []*Alarm, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Alarms, store.Query{After: s.round.after, Limit: batch}) {
			if err != nil {
				return err
			}
			a, err := readAlarm(row)
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		return nil
	})
	return list, err
}

// attend judges an alarm if it is time, and publishes what it has to say.
func (s *Service) attend(ctx context.Context, a *Alarm, now time.Time) error {
	if a.Rule.step() < time.Minute || s.round.minute {
		judged, err := s.judge(ctx, a, now)
		if err != nil {
			return err
		}
		a = judged
	}
	return s.publish(ctx, a, now)
}

// judge judges an alarm and returns it as it is then.
func (s *Service) judge(ctx context.Context, a *Alarm, now time.Time) (*Alarm, error) {
	q := a.Rule.question(now)
	points, err := s.figures.Points(ctx, q)
	if err != nil {
		return nil, err
	}
	j := a.Rule.judge(points, now)
	if j.State == "" || j.State == a.State {
		return a, nil
	}
	set := Setting{State: j.State, Reason: j.Reason, Details: s.style.Details(a, j)}
	call := guard.OwnCall(a.Realm, a.Region, "alarms", "JudgeAlarm", now)
	return guard.Do(ctx, s.guard, call, key.SetAlarmState, func(v *guard.Visit) (*Alarm, error) {
		v.Permit(a.Resource(), "the alarm's own rule")
		v.Note("state", string(set.State))
		err := v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error {
				current, err := find(tx, call, a.Name)
				if err != nil {
					return err
				}
				if current.State != a.State || !current.ConfiguredAt.Equal(a.ConfiguredAt) {
					a = current // somebody else was quicker: the next round judges again
					return nil
				}
				a = current
				return s.transit(tx, a, set, now.UTC())
			})
		})
		return a, err
	})
}

// publish publishes the messages of an alarm that are due.
func (s *Service) publish(ctx context.Context, a *Alarm, now time.Time) error {
	var failures []error
	for _, m := range slices.Clone(a.pending) {
		if m.Next.After(now) {
			continue
		}
		failed := s.publisher.PublishAs(ctx, s.principal, a.Realm, a.Region, m.Topic, m.Subject, m.Text)
		if failed != nil {
			s.log.WarnContext(ctx, "an alarm's message was not published", slog.String("alarm", a.Resource().String()),
				slog.String("topic", m.Topic), slog.Int("attempt", m.Attempts+1), slog.Any("cause", failed))
		}
		err := s.store.Update(ctx, func(tx store.Tx) error { return settle(tx, a, &m, failed, now.UTC()) })
		if err != nil && fault.KindOf(err) != fault.NotFound { // the alarm may have been deleted meanwhile
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// settle notes what became of a message.
func settle(tx store.Tx, of *Alarm, m *message, failed error, now time.Time) error {
	row, err := tx.Get(store.Alarms, idOf(of.Realm, of.Region, of.Name))
	if err != nil {
		return err
	}
	a, err := readAlarm(row)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(a.pending, func(p message) bool { return p.ID == m.ID && p.Topic == m.Topic })
	if at < 0 {
		return nil
	}
	if failed != nil && !final(failed) && now.Sub(m.Since) < giveUp {
		p := &a.pending[at]
		p.Attempts++
		p.Next = now.Add(min(max(now.Sub(m.Since), minWait), maxWait))
		return a.store(tx)
	}
	a.pending = slices.Delete(a.pending, at, at+1)
	c := Change{At: now, Event: Published, Topic: m.Topic}
	if failed != nil {
		c.Event, c.Failure = NotPublished, public(failed)
	}
	if err := a.note(tx, c); err != nil {
		return err
	}
	return a.store(tx)
}

// final reports whether publishing cannot succeed later either.
func final(err error) bool {
	switch fault.KindOf(err) { //nolint:exhaustive // all others may pass
	case fault.NotFound, fault.PermissionDenied, fault.InvalidArgument:
		return true
	}
	return false
}

// public returns what the owner of an alarm may know of a failure.
func public(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind != fault.Internal {
		return e.Public
	}
	return "an internal failure"
}

// expire forgets entries of histories whose time is over.
func (s *Service) expire(ctx context.Context, now time.Time) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		q := store.Query{Column: "expires", From: "0", To: now.UTC().Format(store.TimeFormat), Limit: expireRows}
		for row, err := range tx.Scan(store.AlarmChanges, q) {
			if err != nil {
				return err
			}
			if err := tx.Delete(store.AlarmChanges, row.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

var _ Figures = (*metric.Service)(nil)
