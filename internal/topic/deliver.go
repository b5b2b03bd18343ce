package topic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

const (
	// dueBatch is how many rows one Tick looks at, and workers how many
	// subscriptions get something at the same time.
	dueBatch = 64
	workers  = 8
	// attemptTime bounds one delivery.
	attemptTime = 15 * time.Second
	// keepFailed is how long a delivery that was given up stays visible.
	keepFailed = 14 * 24 * time.Hour
	// longestSleep is how long nothing is looked for at most.
	longestSleep = 30 * time.Second
	// afterFailure is how long nothing is looked for after the store failed, or
	// had what cannot be read: what is published has it looked for at once.
	afterFailure = 5 * time.Second
	// maxCause bounds what is kept of an error, in bytes.
	maxCause = 300
)

// Start delivers from now on, until Close.
func (s *Service) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.work.Go(func() { s.run(ctx) })
}

// Close waits for the deliveries that are being made.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

// kick has due deliveries looked for at once.
func (s *Service) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run makes deliveries when they are due.
func (s *Service) run(ctx context.Context) {
	for {
		more, err := s.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "delivering messages failed and will be tried again", slog.Any("cause", err))
		}
		sleep := time.Duration(0)
		switch {
		case err != nil:
			sleep = afterFailure
		case !more:
			sleep = s.sleep(ctx)
		}
		timer := time.NewTimer(sleep)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// sleep returns how long nothing is due.
func (s *Service) sleep(ctx context.Context) time.Duration {
	sleep := longestSleep
	_ = s.Store.View(ctx, func(r store.Reader) error { // a store that fails is asked again later
		for row, err := range r.Scan(store.Messages, store.Query{Column: "due", From: "0", Limit: 1}) {
			if err != nil {
				return err
			}
			if at, err := time.Parse(store.TimeFormat, row.Columns[0]); err == nil {
				sleep = min(sleep, max(at.Sub(s.Now()), 10*time.Millisecond))
			}
		}
		return nil
	})
	return sleep
}

// Tick makes deliveries that are due, and forgets what was given up long ago and
// subscriptions that nobody confirmed; more says that there is more to do at
// once. A delivery that fails keeps no other waiting for longer than one attempt.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	s.delivering.Lock()
	defer s.delivering.Unlock()
	now := s.Now().UTC()
	q := store.Query{Column: "due", From: "0", To: now.Add(1).Format(store.TimeFormat), Limit: dueBatch}
	found, err := rows(ctx, s.Store, store.Messages, q, func(row store.Row) (*store.Row, error) { return &row, nil })
	if err != nil {
		return false, fmt.Errorf("looking for deliveries: %w", err)
	}
	var failures []error
	queues := map[string][]*delivery{} // by the subscription's row
	for _, row := range found {
		if subscription, ok := strings.CutPrefix(row.ID, remindPrefix); ok {
			failures = append(failures, s.expire(ctx, subscription, now))
			continue
		}
		d, err := readDelivery(*row)
		switch {
		case err != nil:
			failures = append(failures, err)
		case !d.FailedAt.IsZero():
			failures = append(failures, s.Store.Update(ctx, func(tx store.Tx) error { return finish(tx, d) }))
		default:
			queues[d.subscription] = append(queues[d.subscription], d)
		}
	}
	failures = append(failures, s.deliverAll(ctx, queues))
	err = errors.Join(failures...)
	return err == nil && len(found) == dueBatch, err
}

// deliverAll makes deliveries: to each subscription one at a time.
func (s *Service) deliverAll(ctx context.Context, queues map[string][]*delivery) error {
	b := &batch{contents: map[string]*opening{}}
	var mu sync.Mutex // guards failures and s.resting
	var failures []error
	var wg sync.WaitGroup
	room := make(chan struct{}, workers)
	for subscription, queue := range queues {
		mu.Lock()
		until := s.resting[subscription]
		mu.Unlock()
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			rest, err := s.deliverQueue(ctx, b, queue, until)
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, err)
			if delete(s.resting, subscription); rest.After(s.Now()) {
				s.resting[subscription] = rest
			}
		})
	}
	wg.Wait()
	return errors.Join(failures...)
}

// deliverQueue makes the deliveries to one subscription until one fails for the
// moment: the others then wait as that one does, unless they have waited for
// all the time that there is. It returns until when the subscription rests.
func (s *Service) deliverQueue(ctx context.Context, b *batch, queue []*delivery, rest time.Time) (time.Time, error) {
	now, cause := s.Now(), "an earlier message could not be delivered"
	for _, d := range queue {
		if ctx.Err() != nil {
			return rest, ctx.Err()
		}
		if now.Before(rest) {
			if err := s.postpone(ctx, d, rest, cause); err != nil {
				return rest, err
			}
			continue
		}
		next, err := s.deliver(ctx, b, d)
		if err != nil {
			return rest, err
		}
		if next.After(now) {
			rest, cause = next, d.Error
		}
	}
	return rest, nil
}

// postpone has a delivery wait without an attempt.
func (s *Service) postpone(ctx context.Context, d *delivery, until time.Time, cause string) error {
	usual := DefaultRetry()
	if until.Sub(d.Created) > max(usual.total(), maxDelay)*2 {
		d.Error = cause
		return s.giveUp(ctx, d)
	}
	return s.again(ctx, d, until)
}

// batch has the messages of one Tick, which are decrypted once.
type batch struct {
	mu       sync.Mutex // guards contents
	contents map[string]*opening
}

// opening is a message that is decrypted once.
type opening struct {
	once     sync.Once
	envelope *envelope
	content  *content
	err      error
}

// open returns a message.
func (s *Service) open(ctx context.Context, b *batch, id string) (*envelope, *content, error) {
	b.mu.Lock()
	o := b.contents[id]
	if o == nil {
		o = new(opening)
		b.contents[id] = o
	}
	b.mu.Unlock()
	o.once.Do(func() {
		o.envelope = new(envelope)
		o.err = s.Store.View(ctx, func(r store.Reader) error {
			row, err := r.Get(store.Messages, bodyPrefix+id)
			if err != nil {
				return err
			}
			return decode(row, o.envelope, &o.envelope.V)
		})
		if o.err == nil {
			o.content, o.err = s.opened(ctx, o.envelope)
		}
	})
	return o.envelope, o.content, o.err
}

// deliver makes one attempt. It returns when the delivery is tried again, zero
// for never. The error is one of the store.
func (s *Service) deliver(ctx context.Context, b *batch, d *delivery) (next time.Time, err error) {
	scope := strings.SplitN(d.subscription, "/", 3)
	ref := key.Resource{Kind: key.KindSubscription, Realm: key.RealmID(scope[0]), Region: scope[1], ID: scope[2]}
	sub, t, err := s.find(ctx, ref)
	if err != nil && fault.KindOf(err) == fault.NotFound { // there is nobody to deliver to
		return next, s.Store.Update(ctx, func(tx store.Tx) error { return finish(tx, d) })
	}
	if err != nil {
		return next, err
	}
	e, c, failed := s.open(ctx, b, d.message)
	if failed == nil {
		if c.Kind == Notification && sub.State() != Confirmed {
			return next, s.Store.Update(ctx, func(tx store.Tx) error { return finish(tx, d) })
		}
		failed = s.send(ctx, e.message(c, t, sub.Protocol), sub, t)
	}
	if failed == nil {
		return next, s.Store.Update(ctx, func(tx store.Tx) error { return finish(tx, d) })
	}
	if ctx.Err() != nil { // the server stops: nobody knows whether it arrived
		return next, ctx.Err()
	}
	d.Attempts++
	d.Error = causeOf(failed)
	rule := ruleOf(sub, t)
	wait, again := rule.wait(d.Attempts)
	if !again || s.Permanent(failed) {
		return next, s.giveUp(ctx, d)
	}
	next = s.Now().Add(wait)
	return next, s.again(ctx, d, next)
}

// ruleOf returns how deliveries to a subscription are tried again.
func ruleOf(sub *Subscription, t *Topic) Retry {
	switch {
	case sub.Protocol.posted() && sub.Retry != nil && !t.FixedRetry:
		return *sub.Retry
	case sub.Protocol.posted() && t.Retry != nil:
		return *t.Retry
	}
	return DefaultRetry()
}

// EffectiveRetry returns how deliveries to a subscription, or for nil to those
// of a topic that have no rule of their own, are tried again.
func EffectiveRetry(t *Topic, sub *Subscription) Retry {
	if sub == nil {
		sub = &Subscription{Protocol: HTTPS}
	}
	return ruleOf(sub, t)
}

// send delivers a message.
func (s *Service) send(ctx context.Context, m *Message, sub *Subscription, t *Topic) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	if sub.Protocol.posted() {
		header, body := s.Form.Post(m, sub, cmp.Or(sub.ContentType, t.ContentType))
		return s.Poster.Post(ctx, sub.Endpoint, header, body)
	}
	if s.Mailer == nil {
		return errors.New("this server sends no e-mail")
	}
	subject, text := s.Form.Mail(m, sub)
	return s.Mailer.Send(ctx, &Mail{
		To: sub.Endpoint, Subject: subject, Text: text, ID: m.ID + "." + sub.ID + "@" + s.Principal, Time: m.Time,
	})
}

func causeOf(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), maxCause)], "")
}

// again stores when a delivery is tried next.
func (s *Service) again(ctx context.Context, d *delivery, next time.Time) error {
	row, err := d.row(next)
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Messages, row) })
}

// giveUp keeps a delivery as one that failed.
func (s *Service) giveUp(ctx context.Context, d *delivery) error {
	d.FailedAt = s.Now().UTC()
	s.Log.WarnContext(ctx, "a message could not be delivered and was given up", slog.String("message", d.message),
		slog.String("subscription", d.subscription), slog.Int("attempts", d.Attempts), slog.String("cause", d.Error))
	return s.again(ctx, d, d.FailedAt.Add(keepFailed))
}
