package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/client"
)

// The outcomes of putting a certificate in place, in reports.
const (
	outcomeServed      = "served"      // a check met it
	outcomeInstalled   = "installed"   // it was written and loaded; no check is asked for
	outcomeUnconfirmed = "unconfirmed" // it is the first one, and was not loaded or met yet
	outcomeRolledBack  = "rolled-back" // what was there before is back
	outcomeRefused     = "refused"     // nothing was changed
	outcomeFailed      = "failed"      // nor could what was there before be brought back whole
)

// maxFailure is how much of a cause goes into a report, in bytes.
const maxFailure = 1 << 10

// note keeps a report for the server.
func (u *unit) note(m *material, outcome string, cause error) {
	r := client.DeploymentReport{
		Host: u.host, Name: u.c.Name, Managed: u.c.Managed, Outcome: outcome, At: u.now().UTC(), Places: []string{},
	}
	if m != nil {
		r.Serial, r.SHA256, r.Subject, r.NotAfter = m.serial(), m.print(), m.leaf.Subject.String(), m.leaf.NotAfter
	}
	for i := range u.c.Files {
		r.Places = append(r.Places, u.c.at(u.c.Files[i].Path))
	}
	if u.c.Check != nil {
		r.Check = u.c.Check.Address
	}
	if u.state.Current != nil {
		r.Serving = u.state.Current.Serial
	}
	if cause != nil {
		r.Failure = cause.Error()
		r.Failure = r.Failure[:min(len(r.Failure), maxFailure)]
	}
	u.state.Reports = append(u.state.Reports, r)
	if over := len(u.state.Reports) - maxReports; over > 0 {
		u.state.Reports = u.state.Reports[over:]
	}
}

// reportEvery is how often what is in place is reported again, so that the
// server sees which hosts are alive.
const reportEvery = 12 * time.Hour

// deliver tells the server what happened. A server that cannot be told gets
// to know later.
func (u *unit) deliver(ctx context.Context) error {
	if u.state.Asking.wait(u.now()) {
		return nil
	}
	if err := u.alive(); err != nil {
		return err
	}
	for len(u.state.Reports) > 0 {
		if err := u.source.ReportDeployment(ctx, &u.state.Reports[0]); err != nil {
			u.log.WarnContext(ctx, "the server was not told what is in place", slog.Any("cause", err))
			if kind := client.KindOf(err); kind != client.InvalidArgument && kind != client.LimitExceeded {
				return nil // else it would never get there, nor would those after it
			}
		}
		u.state.Reports, u.state.ReportedAt = u.state.Reports[1:], u.now().UTC()
		if err := u.folder.keep(u.state); err != nil {
			return err
		}
	}
	return nil
}

// alive notes what is in place once more, when that was reported long ago.
func (u *unit) alive() error {
	c := u.state.Current
	if c == nil || len(u.state.Reports) > 0 || u.state.Candidate != nil || c.Outcome == outcomeUnconfirmed ||
		u.now().Sub(u.state.ReportedAt) <= reportEvery {
		return nil
	}
	m, err := u.folder.get(c.Version)
	if err != nil {
		return err
	}
	u.note(m, c.Outcome, nil)
	return nil
}
