package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// unit is one certificate with what is known of it.
type unit struct {
	c      *Certificate
	host   string
	retry  Retry
	source Source
	log    *slog.Logger
	now    func() time.Time
	folder folder
	state  *state
	files  *installer
}

// seed makes times of the certificate on this host other ones than elsewhere.
func (u *unit) seed() string { return u.host + "/" + u.c.Name + "/" }

// open reads what is known of the certificate, and completes or takes back a
// change that was broken off: from here on the files fit together.
func (u *unit) open() (err error) {
	u.files = &installer{c: u.c, dir: string(u.folder)}
	if u.state, err = u.folder.open(); err != nil {
		return err
	}
	versions, err := u.files.versions()
	if err != nil {
		return err
	}
	if n := len(versions); n > 0 {
		u.state.Version = max(u.state.Version, versions[n-1])
	}
	j, err := u.files.pending()
	if err != nil || j == nil {
		return err
	}
	if c := u.state.Current; c != nil && c.Version == j.Version { // it was decided, and not yet forgotten
		return u.files.end(j)
	}
	// Either way the journal stays: step goes on with the reload.
	if !j.Back && j.proceed() == nil {
		return nil
	}
	return u.files.back(j)
}

// step does what there is to do for the certificate now.
func (u *unit) step(ctx context.Context) error {
	// A change that has begun is ended, whoever tells the agent to stop: it takes
	// no longer than the reload and the check.
	whole := context.WithoutCancel(ctx)
	if j, err := u.files.pending(); err != nil {
		return err
	} else if j != nil {
		return u.resume(whole, j)
	}
	asked := u.ask(ctx)
	return errors.Join(asked, u.place(whole), u.confirm(whole), u.deliver(ctx))
}

// ask looks for a new certificate, unless it is too early after a failure. What
// is in place is kept whatever the server says, or does not.
func (u *unit) ask(ctx context.Context) error {
	now := u.now()
	if u.state.Asking.wait(now) {
		return nil
	}
	err := u.look(ctx, now)
	if err == nil {
		if u.state.Asking.Count > 0 {
			u.log.InfoContext(ctx, "the server gives certificates again", slog.Int("failures", u.state.Asking.Count))
			u.state.Asking = failures{}
			return u.folder.keep(u.state)
		}
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	u.state.Asking.note(u.retry, now, u.seed())
	facts := []any{slog.Any("cause", err), slog.Time("next", u.state.Asking.Next)}
	if c := u.state.Current; c != nil {
		facts = append(facts, slog.Time("in place until", c.Until))
	}
	u.log.WarnContext(ctx, "asking for the certificate failed: what is in place stays", facts...)
	return errors.Join(err, u.folder.keep(u.state))
}

// place puts the candidate in place, or what is in place once more where its
// files are not as they should be.
func (u *unit) place(ctx context.Context) error {
	if u.state.Candidate == nil {
		if u.state.Current == nil || u.intact() {
			return nil
		}
		if err := u.again(ctx); err != nil {
			return err
		}
	}
	c := u.state.Candidate
	if c.Failed.wait(u.now()) {
		return nil
	}
	m, err := u.folder.get(c.Version)
	if err != nil {
		return u.lose(ctx, err)
	}
	return u.deploy(ctx, c, m)
}

// lose gives up a candidate that cannot be read.
func (u *unit) lose(ctx context.Context, cause error) error {
	u.log.ErrorContext(ctx, "a kept certificate cannot be read: it is asked for anew", slog.Any("cause", cause))
	u.state.Candidate = nil
	if c := u.state.Current; c != nil {
		c.Serial, c.Order = "", "" // so that the next look takes it for another one
	}
	return errors.Join(cause, u.folder.keep(u.state))
}

// layout is the digest of the files that are asked for.
func (u *unit) layout() string {
	return digest(struct {
		Dir   string
		Files []File
	}{u.c.Dir, u.c.Files})
}

// intact reports whether the files are as they were written, and those asked
// for.
func (u *unit) intact() bool {
	if u.state.Current.Layout != u.layout() {
		return false
	}
	for i := range u.state.Current.Placed {
		if !u.state.Current.Placed[i].intact() {
			return false
		}
	}
	return true
}

// again makes the certificate in place the candidate.
func (u *unit) again(ctx context.Context) error {
	c := u.state.Current
	m, err := u.folder.get(c.Version)
	if err == nil && m.Key == nil && u.c.needsKey() {
		err = errors.New("its key was not needed before")
	}
	if err != nil {
		u.state.Candidate = &candidate{Version: c.Version}
		return u.lose(ctx, err)
	}
	u.log.InfoContext(ctx, "files of the certificate were changed, or others are wanted: it is written anew")
	return u.propose(m, candidate{Authority: c.Authority, Order: c.Order})
}

// deploy puts a certificate in place: files, reload, check; or all of it back.
func (u *unit) deploy(ctx context.Context, c *candidate, m *material) error {
	if err := m.usable(u.now(), u.c.Check); err != nil {
		return u.fail(ctx, c, m, outcomeRefused, err)
	}
	j, all, err := u.files.stage(m, c.Version)
	if err != nil {
		return u.fail(ctx, c, m, outcomeRefused, err)
	}
	c.Placed = all
	if err := u.folder.keep(u.state); err != nil {
		return err
	}
	if err := j.proceed(); err != nil {
		return u.revert(ctx, j, c, m, fmt.Errorf("writing the files: %w", err))
	}
	return u.settle(ctx, j, c, m)
}

// resume ends a change that was broken off after its files were in place.
func (u *unit) resume(ctx context.Context, j *journal) error {
	c := u.state.Candidate
	if c == nil || c.Version != j.Version { // it was given up meanwhile
		c = &candidate{Version: j.Version}
	}
	m, err := u.folder.get(c.Version)
	if err == nil && j.Back {
		err = errors.New("the agent ended while it took the certificate back")
	}
	if err != nil {
		return u.revert(ctx, j, c, m, err)
	}
	u.log.InfoContext(ctx, "a change that was broken off goes on", slog.String("serial", c.Serial))
	if err := j.proceed(); err != nil {
		return u.revert(ctx, j, c, m, err)
	}
	return u.settle(ctx, j, c, m)
}

// settle has the new files loaded, and looks whether they are served. The very
// first ones stay in any case: nothing was there before, and a program that is
// not started without them cannot be asked.
func (u *unit) settle(ctx context.Context, j *journal, c *candidate, m *material) error {
	err := u.load(ctx, m)
	if err != nil && (u.state.Current != nil || j.replaces()) {
		return u.revert(ctx, j, c, m, err)
	}
	u.state.Current = &installed{
		Version: c.Version, Serial: c.Serial, From: m.leaf.NotBefore, Until: m.leaf.NotAfter,
		Order: c.Order, Layout: u.layout(), Placed: c.Placed, Authority: c.Authority,
	}
	u.state.Candidate = nil
	err = u.settled(ctx, m, err)
	return errors.Join(err, u.folder.keep(u.state), u.files.end(j), u.folder.tidy(u.state))
}

// load has the files loaded, and looks whether they are served.
func (u *unit) load(ctx context.Context, m *material) error {
	if u.c.Reload != nil {
		if err := u.c.Reload.do(ctx, u.c.Name); err != nil {
			return err
		}
	}
	if u.c.Check == nil {
		return nil
	}
	return u.c.Check.meet(ctx, m.leaf)
}

// settled notes what came of loading the certificate in place.
func (u *unit) settled(ctx context.Context, m *material, cause error) error {
	c := u.state.Current
	if cause != nil {
		c.Outcome = outcomeUnconfirmed
		c.Failed.note(u.retry, u.now(), u.seed())
		u.note(m, c.Outcome, cause)
		u.log.WarnContext(ctx, "the first certificate is in place, and not met yet", slog.String("serial", c.Serial),
			slog.Any("cause", cause), slog.Time("next", c.Failed.Next))
		return cause
	}
	c.Outcome, c.Failed = outcomeInstalled, failures{}
	if u.c.Check != nil {
		c.Outcome = outcomeServed
	}
	u.note(m, c.Outcome, nil)
	u.log.InfoContext(ctx, "a certificate is in place", slog.String("serial", c.Serial), slog.String("outcome", c.Outcome),
		slog.Time("until", c.Until))
	return nil
}

// confirm has the first certificate loaded, where that failed before.
func (u *unit) confirm(ctx context.Context) error {
	c := u.state.Current
	if c == nil || c.Outcome != outcomeUnconfirmed || c.Failed.wait(u.now()) {
		return nil
	}
	m, err := u.folder.get(c.Version)
	if err != nil {
		return u.lose(ctx, err)
	}
	return errors.Join(u.settled(ctx, m, u.load(ctx, m)), u.folder.keep(u.state))
}

// revert takes a change back, and has what was there before loaded again.
func (u *unit) revert(ctx context.Context, j *journal, c *candidate, m *material, cause error) error {
	outcome := outcomeRolledBack
	back := u.files.back(j)
	if back == nil {
		back = errors.Join(u.files.end(j), u.former(ctx))
	}
	if back != nil {
		outcome, cause = outcomeFailed, errors.Join(cause, back)
	}
	return u.fail(ctx, c, m, outcome, cause)
}

// former has the files that are back loaded, and looks whether they are
// served. A server that refused to load anything still serves them.
func (u *unit) former(ctx context.Context) error {
	if u.state.Current == nil {
		return nil
	}
	m, err := u.folder.get(u.state.Current.Version)
	if err != nil {
		return err
	}
	err = u.load(ctx, m)
	if err != nil && u.c.Check != nil {
		err = u.c.Check.meet(ctx, m.leaf)
	}
	if err != nil {
		return fmt.Errorf("after the files are back: %w", err)
	}
	return nil
}

// fail notes that a candidate could not be put in place; it is tried again
// later.
func (u *unit) fail(ctx context.Context, c *candidate, m *material, outcome string, cause error) error {
	c.Placed = nil
	c.Failed.note(u.retry, u.now(), u.seed())
	u.note(m, outcome, cause)
	u.log.ErrorContext(ctx, "a certificate could not be put in place", slog.String("serial", c.Serial),
		slog.String("outcome", outcome), slog.Any("cause", cause), slog.Time("next", c.Failed.Next))
	return errors.Join(cause, u.folder.keep(u.state))
}

// next returns when there is something to do before the next poll, zero for
// nothing.
func (u *unit) next() time.Time {
	if u.state == nil {
		return time.Time{}
	}
	if c := u.state.Candidate; c != nil {
		return c.Failed.Next
	}
	if c := u.state.Current; c != nil && c.Outcome == outcomeUnconfirmed {
		return c.Failed.Next
	}
	return u.state.Asking.Next
}
