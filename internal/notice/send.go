package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Bounds of one tick. A claim outlasts the tick that made it: sending begins
// within sendWithin and an attempt ends within attemptTimeout.
const (
	maxLooked      = 512 // rows looked at
	maxSent        = 64  // messages claimed
	sendWithin     = 2 * time.Minute
	attemptTimeout = time.Minute
	claimFor       = 10 * time.Minute
)

// Waits after a failure: doubled with each further one, and up to a fifth
// longer or shorter.
const (
	firstWait = time.Minute
	maxWait   = time.Hour
	jitter    = 0.2
)

// maxError is how much of a failure is kept, in bytes.
const maxError = 1000

// pause is a channel that is left alone: its receiver was not reached.
type pause struct {
	failures int
	until    time.Time
	err      error
}

// counters count what became of attempts on a channel.
type counters struct{ delivered, failed, givenUp atomic.Int64 }

// claim is a delivery that this process is to send. As long as it lasts, no
// other does: the row's due time is in the future, and says whose it is.
type claim struct {
	*Delivery
	err     error
	skipped bool // it was not sent
}

// deliver hands over what is due. Whatever ends the process in the middle, the
// delivery is tried again when its claim ends, under the same id.
func (s *Service) deliver(ctx context.Context) (more bool, err error) {
	claims, more, err := s.claim(ctx)
	if err != nil || len(claims) == 0 {
		return more, err
	}
	s.sendAll(ctx, claims)
	return more, s.settle(context.WithoutCancel(ctx), claims)
}

// claim takes deliveries that are due, and puts off those of channels that are
// left alone. It forgets what has ended long ago.
func (s *Service) claim(ctx context.Context) (claims []*claim, more bool, err error) {
	now := s.now().UTC()
	var ended []*Delivery
	err = s.store.Update(ctx, func(tx store.Tx) error {
		due, err := scan(tx, store.Query{Column: "due", To: timeColumn(now.Add(1)), Limit: maxLooked}, nil)
		if err != nil {
			return err
		}
		more = len(due) == maxLooked
		for _, d := range due {
			if more = more || len(claims) == maxSent; len(claims) == maxSent {
				return nil
			}
			taken, err := s.meet(tx, d, now)
			switch {
			case err != nil:
				return err
			case taken:
				claims = append(claims, &claim{Delivery: d})
			case d.Ended.Equal(now):
				ended = append(ended, d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("looking for notices that are due: %w", err)
	}
	s.tell(ctx, ended)
	return claims, more, nil
}

// meet does with a delivery what is due: it forgets one that has ended, and
// stores what becomes of another.
func (s *Service) meet(tx store.Tx, d *Delivery, now time.Time) (taken bool, err error) {
	if d.State == Failed || d.State == Delivered {
		return false, tx.Delete(store.Notices, d.ID)
	}
	taken = s.take(d, now)
	return taken, d.put(tx)
}

// take makes a delivery that is due one that this process sends, or puts it
// off, or ends it.
func (s *Service) take(d *Delivery, now time.Time) bool {
	d.State = Waiting // a digest as well takes no more in
	if s.byName[d.Channel] == nil {
		d.Error = fmt.Sprintf("the configuration has no channel %q", d.Channel)
		d.end(Failed, now)
		return false
	}
	if p := s.paused(d.Channel, now); p != nil {
		s.postpone(d, p, now)
		return false
	}
	d.Due = now.Add(claimFor)
	d.Attempts++
	return true
}

// paused returns why a channel is left alone, nil when it is not.
func (s *Service) paused(channel string, now time.Time) *pause {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pauses[channel]; p != nil && p.until.After(now) {
		return &pause{p.failures, p.until, p.err}
	}
	return nil
}

// postpone puts a delivery off until its channel is tried again, some after the
// others.
func (s *Service) postpone(d *Delivery, p *pause, now time.Time) {
	d.Error = cut(p.err)
	if now.Sub(d.Since) >= s.giveUp {
		d.end(Failed, now)
		return
	}
	d.Due = p.until.Add(time.Duration(s.random() * float64(firstWait)))
}

// sendAll sends what was claimed: the channels at the same time, the messages
// of each one after another. The first that finds its channel's receiver away
// keeps the rest from being tried.
func (s *Service) sendAll(ctx context.Context, claims []*claim) {
	lanes := map[string][]*claim{}
	for _, c := range claims {
		lanes[c.Channel] = append(lanes[c.Channel], c)
	}
	begin := time.Now()
	var wait sync.WaitGroup
	for name, list := range lanes {
		wait.Go(func() {
			away := false
			for _, c := range list {
				if away || ctx.Err() != nil || time.Since(begin) > sendWithin {
					c.skipped = true
					continue
				}
				c.err = s.attempt(ctx, s.byName[name], c.Delivery)
				away = c.err != nil && down(c.err)
			}
		})
	}
	wait.Wait()
}

// attempt sends one message.
func (s *Service) attempt(ctx context.Context, c *Channel, d *Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	err := c.Sender.Send(ctx, d.message())
	s.note(ctx, c.Name, err)
	return err
}

// note keeps in mind whether a channel's receiver is there.
func (s *Service) note(ctx context.Context, channel string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pauses[channel]
	if err == nil || !down(err) {
		if p != nil {
			delete(s.pauses, channel)
			s.log.InfoContext(ctx, "a channel of notices is there again", slog.String("channel", channel))
		}
		return
	}
	if p == nil {
		p = &pause{}
		s.pauses[channel] = p
		s.log.WarnContext(ctx, "a channel of notices is not reached: its notices wait", slog.String("channel", channel), slog.Any("cause", err))
	}
	p.failures++
	p.err = err
	p.until = s.now().UTC().Add(s.wait(p.failures))
}

// wait returns how long to wait after so many failures.
func (s *Service) wait(failures int) time.Duration {
	wait := maxWait
	if shift := failures - 1; shift < 6 { // a minute doubled six times is more than an hour
		wait = firstWait << max(shift, 0)
	}
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*s.random()))
}

// settle stores what became of the claims.
func (s *Service) settle(ctx context.Context, claims []*claim) error {
	now := s.now().UTC()
	var told []*Delivery
	err := s.store.Update(ctx, func(tx store.Tx) error {
		told = told[:0]
		for _, c := range claims {
			row, err := tx.Get(store.Notices, c.ID)
			if err != nil && fault.KindOf(err) == fault.NotFound {
				continue
			}
			if err != nil {
				return err
			}
			if row.Columns[1] != timeColumn(c.Due) {
				continue // the claim ended before the attempt did: it is another's now
			}
			d := *c.Delivery
			s.outcome(&d, c, now)
			if err := d.put(tx); err != nil {
				return err
			}
			told = append(told, &d)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing what became of notices: %w", err)
	}
	s.tell(ctx, told)
	return nil
}

// outcome makes a delivery what its attempt says.
func (s *Service) outcome(d *Delivery, c *claim, now time.Time) {
	count := s.figures[d.Channel]
	switch p := s.paused(d.Channel, now); {
	case c.skipped:
		d.Attempts--
		d.Due = now
		if p != nil {
			s.postpone(d, p, now)
		}
	case c.err == nil:
		count.delivered.Add(1)
		d.end(Delivered, now)
	case errors.Is(c.err, context.Canceled): // the server stops: nobody knows whether it arrived
		d.Due = now
	default:
		count.failed.Add(1)
		d.Error = cut(c.err)
		d.Due = now.Add(s.wait(d.Attempts))
		if p != nil {
			d.Due = p.until
		}
		if refused(c.err) || now.Sub(d.Since) >= s.giveUp {
			d.end(Failed, now)
		}
	}
}

// tell counts what ended without arriving, and says it in the log: nobody is
// told by notice.
func (s *Service) tell(ctx context.Context, list []*Delivery) {
	for _, d := range list {
		if d.State != Failed {
			continue
		}
		if count := s.figures[d.Channel]; count != nil {
			count.givenUp.Add(1)
		}
		s.log.ErrorContext(ctx, "a notice was not delivered: \"holdfast notice retry\" sends it again",
			slog.String("notice", d.ID), slog.String("channel", d.Channel), slog.String("cause", d.Error))
	}
}

// cut returns the text of a failure, no longer than is kept.
func cut(err error) string {
	text := clean(err.Error())
	if len(text) > maxError {
		text = clean(text[:maxError])
	}
	return text
}
