package inventory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Style is the form of an API's audit reports: what each row has, and where a
// report goes. It is pure: the same again gives the same again.
type Style interface {
	// Columns are the names in the first line of CSV, and of the members in JSON.
	Columns() []string
	// Row returns a certificate's values of the columns. Empty ones are left
	// out of JSON.
	Row(a *ca.Authority, c *ca.Certificate) []string
	// Name returns the name of a report in its bucket.
	Name(a *ca.Authority, report string, f Format) string
}

// ReportState is where a report is.
type ReportState string

// The states. A report is made once; a restart goes on with it.
const (
	ReportCreating ReportState = "creating"
	ReportDone     ReportState = "done"
	ReportFailed   ReportState = "failed"
)

// Report is an audit report of an authority: what it issued and revoked, all
// of it, in a file in a bucket.
type Report struct {
	ID, Authority string
	Style         string
	Format        Format
	Bucket, Name  string
	State         ReportState
	// CreatedAt is when it was asked for, FinishedAt when it was made, or failed.
	CreatedAt, FinishedAt time.Time
	// Certificates is how many are in it.
	Certificates int
	// Failure says to the caller why there is none.
	Failure string
}

// ReportRequest asks for a report. All fields are needed.
type ReportRequest struct {
	// Authority is an id or a name.
	Authority string
	// Style is one of Config.Styles, Format CSV or JSON.
	Style  string
	Format Format
	Bucket string
}

// maxWaitingReports bounds the reports that wait to be made.
const maxWaitingReports = 100

// CreateReport has a report made in the background. Only callers of the
// authority's realm may. While one of the authority is being made, asking for
// another is a Conflict error.
func (s *Service) CreateReport(ctx context.Context, call *key.Call, req *ReportRequest) (*Report, error) {
	return guard.Do(ctx, s.guard, call, key.CreateAuditReport, func(v *guard.Visit) (*Report, error) {
		a, err := s.visitReport(call, v, key.CreateAuditReport, req.Authority)
		if err != nil {
			return nil, err
		}
		style, ok := s.styles[req.Style]
		switch {
		case s.sink == nil:
			return nil, fault.New(fault.Unsupported, "there is no place for reports: the server has no buckets")
		case !ok:
			return nil, fault.New(fault.InvalidArgument, "there is no style of reports %q", req.Style)
		case req.Format != CSV && req.Format != JSON:
			return nil, fault.New(fault.InvalidArgument, "%q is no format of reports: csv or json", string(req.Format))
		case req.Bucket == "":
			return nil, fault.New(fault.InvalidArgument, "a report needs a bucket")
		case a.Certificate == nil:
			return nil, fault.Because(fault.WrongState, fault.AuthorityPending, "the authority has no certificate yet")
		case a.State == ca.Deleted:
			return nil, fault.Because(fault.WrongState, fault.AuthorityDeleted, "the authority is deleted")
		}
		id, err := uuid.NewRandom()
		if err != nil {
			return nil, fmt.Errorf("making an id: %w", err)
		}
		p := &Report{
			ID: id.String(), Authority: a.ID, Style: req.Style, Format: req.Format, Bucket: req.Bucket,
			Name: style.Name(a, id.String(), req.Format), State: ReportCreating, CreatedAt: s.now().UTC(),
		}
		v.Note("report", p.ID)
		v.Note("bucket", p.Bucket)
		if call.DryRun {
			return nil, fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
		}
		return p, s.storeReport(ctx, v, p)
	})
}

// storeReport stores a new report and has it made.
func (s *Service) storeReport(ctx context.Context, v *guard.Visit, p *Report) error {
	if err := s.reports.reserve(p.rowID()); err != nil {
		return err
	}
	row, err := p.row()
	if err == nil {
		err = v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Insert(store.Reports, row) })
		})
	}
	if err != nil {
		s.reports.release(p.rowID())
		return err
	}
	s.reports.start(p.rowID())
	return nil
}

// visitReport finds an authority of the caller's realm and authorises an
// action on it.
func (s *Service) visitReport(call *key.Call, v *guard.Visit, action key.Action, authority string) (*ca.Authority, error) {
	realm := call.Caller.Principal.Realm
	a, err := s.authorities.Find(call, authority)
	if err != nil {
		v.About(key.Resource{Kind: key.KindAuthority, Realm: realm, Region: call.Region, ID: authority})
		return nil, err
	}
	if a.Realm != realm {
		return nil, v.Deny(a.Target(action), fault.NoResourcePolicyAllows, "the action is for callers of the authority's own realm")
	}
	return a, v.Authorize(a.Target(action))
}

// DescribeReport returns a report of an authority.
func (s *Service) DescribeReport(ctx context.Context, call *key.Call, authority, id string) (*Report, error) {
	return guard.Do(ctx, s.guard, call, key.DescribeAuditReport, func(v *guard.Visit) (*Report, error) {
		a, err := s.visitReport(call, v, key.DescribeAuditReport, authority)
		if err != nil {
			return nil, err
		}
		p, err := s.report(ctx, a.ID+"/"+id)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			err = &fault.Error{Kind: fault.NotFound, Resource: a.Resource().String(), Public: "the report does not exist", Err: err}
		}
		return p, err
	})
}

func (s *Service) report(ctx context.Context, rowID string) (p *Report, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Reports, rowID)
		if err != nil {
			return err
		}
		p, err = readReport(row)
		return err
	})
	return p, err
}

// makeReports makes reports one after the other until ctx ends.
func (s *Service) makeReports(ctx context.Context) {
	for {
		id, ok := s.reports.next(ctx)
		if !ok {
			return
		}
		err := s.makeReport(ctx, id)
		if ctx.Err() != nil {
			return // the next start goes on
		}
		if err != nil {
			s.log.ErrorContext(ctx, "an audit report was not made", slog.String("report", id), slog.Any("cause", err))
		}
		s.reports.release(id)
	}
}

// makeReport makes one report and stores what became of it.
func (s *Service) makeReport(ctx context.Context, rowID string) error {
	p, err := s.report(ctx, rowID)
	if err != nil {
		return err
	}
	made := s.writeReport(ctx, p)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.State, p.FinishedAt = ReportDone, s.now().UTC()
	if made != nil {
		p.State, p.Failure = ReportFailed, "the report could not be made"
		if e, ok := errors.AsType[*fault.Error](made); ok && e.Public != "" {
			p.Failure = e.Public
		}
	}
	row, err := p.row()
	if err == nil {
		err = s.store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Reports, row) })
	}
	return errors.Join(made, err)
}

// writeReport puts a report into its bucket as it is being written.
func (s *Service) writeReport(ctx context.Context, p *Report) error {
	all := s.authorities.All()
	at := slices.IndexFunc(all, func(a *ca.Authority) bool { return a.ID == p.Authority })
	style, ok := s.styles[p.Style]
	if at < 0 || !ok || s.sink == nil {
		return fault.New(fault.WrongState, "the authority, or the style or place of its reports, is not there any more")
	}
	read, write := io.Pipe()
	written := make(chan error, 1)
	go func() { // ends when the sink has read all, or closes the pipe below
		out := bufio.NewWriterSize(write, 64<<10)
		err := s.writeRows(ctx, p, all[at], style, out)
		write.CloseWithError(errors.Join(err, out.Flush()))
		written <- err
	}()
	err := s.sink.Put(ctx, p.Bucket, p.Name, p.Format.ContentType(), read)
	// A sink that ends early, also one that says that all went well, ends the
	// writing.
	_ = read.CloseWithError(errors.New("the sink has ended")) // never fails
	if failed := <-written; failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

func (s *Service) writeRows(ctx context.Context, p *Report, a *ca.Authority, style Style, out *bufio.Writer) error {
	l := &search{Query: Query{Authority: a.ID}, scope: &scope{realm: a.Realm, authorities: []string{a.ID}}, now: s.now()}
	l.plan = l.choose(false)
	w := writerOf(p.Format, out, style.Columns())
	err := s.each(ctx, l, func(e *Entry) error {
		p.Certificates++
		return w.row(style.Row(a, e.Certificate))
	})
	return errors.Join(err, w.end())
}

// reportVersion is the version of reportRecord. A reader refuses others.
const reportVersion = 1

// reportRecord is the body of a row in store.Reports, in JSON. The row's id is
// "authority id/report id".
type reportRecord struct {
	V            int         `json:"v"`
	Style        string      `json:"style"`
	Format       Format      `json:"format"`
	Bucket       string      `json:"bucket"`
	Name         string      `json:"name"`
	State        ReportState `json:"state"`
	CreatedAt    time.Time   `json:"created_at"`
	FinishedAt   time.Time   `json:"finished_at,omitzero"`
	Certificates int         `json:"certificates,omitempty"`
	Failure      string      `json:"failure,omitempty"`
}

func (p *Report) rowID() string { return p.Authority + "/" + p.ID }

func (p *Report) row() (store.Row, error) {
	body, err := json.Marshal(reportRecord{
		V: reportVersion, Style: p.Style, Format: p.Format, Bucket: p.Bucket, Name: p.Name, State: p.State,
		CreatedAt: p.CreatedAt, FinishedAt: p.FinishedAt, Certificates: p.Certificates, Failure: p.Failure,
	})
	return store.Row{ID: p.rowID(), Body: body}, err
}

func readReport(row store.Row) (*Report, error) {
	var r reportRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	if r.V != reportVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows version %d", row.ID, r.V, reportVersion)
	}
	authority, id := cutLast(row.ID)
	return &Report{
		ID: id, Authority: authority, Style: r.Style, Format: r.Format, Bucket: r.Bucket, Name: r.Name, State: r.State,
		CreatedAt: r.CreatedAt, FinishedAt: r.FinishedAt, Certificates: r.Certificates, Failure: r.Failure,
	}, nil
}

// waitingReports returns the ids of the rows of reports that a stop has kept
// from being made.
func (s *Service) waitingReports(ctx context.Context) (ids []string, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Reports, store.Query{}) {
			if err != nil {
				return err
			}
			p, err := readReport(row)
			if err != nil {
				return err
			}
			if p.State == ReportCreating {
				ids = append(ids, row.ID)
			}
		}
		return nil
	})
	return ids, err
}
