package inventory

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// Format is a form in which certificates are written out.
type Format string

// The formats.
const (
	CSV       Format = "csv"   // RFC 4180, with a first line of names
	JSON      Format = "json"  // one array of objects
	JSONLines Format = "jsonl" // an object a line
	PEM       Format = "pem"   // the certificates alone
)

// ContentType returns the format's media type.
func (f Format) ContentType() string {
	return map[Format]string{
		CSV: "text/csv", JSON: "application/json", JSONLines: "application/jsonl", PEM: "application/x-pem-file",
	}[f]
}

// Export writes all certificates that a query wants to w, and returns how many
// there were. Decisions are those of Search. It reads some at a time, so that
// it takes little memory and a slow w holds up nobody: certificates that are
// issued meanwhile may be missing. An error of w ends it.
func (s *Service) Export(ctx context.Context, call *key.Call, q Query, f Format, w io.Writer) (int, error) {
	// What is written leaves after its entry in the audit log is durable.
	l, err := guard.Do(ctx, s.guard, call, key.ListCertificates, func(v *guard.Visit) (*search, error) {
		v.Note("export", string(f))
		sc, err := s.scope(call, v, &q)
		if err != nil {
			return nil, err
		}
		if f.ContentType() == "" {
			return nil, fault.New(fault.InvalidArgument, "%q is no format: csv, json, jsonl or pem", string(f))
		}
		l := &search{Query: q, scope: sc, now: s.now()}
		return l, s.prepare(ctx, l, "")
	})
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	write := writerOf(f, out, columns())
	n := 0
	err = s.each(ctx, l, func(e *Entry) error {
		n++
		if f == PEM {
			return pem.Encode(out, &pem.Block{Type: "CERTIFICATE", Bytes: e.DER})
		}
		return write.row(e.values(l.now))
	})
	if err != nil {
		return n, err
	}
	return n, errors.Join(write.end(), out.Flush())
}

// pieceLength is how many certificates each reads at a time.
const pieceLength = 500

// each calls f with every entry that a search wants. The store is not held
// while f runs.
func (s *Service) each(ctx context.Context, l *search, f func(*Entry) error) error {
	for l.limit = pieceLength; ; {
		l.list, l.next, l.budget = nil, "", maxLooks
		if err := s.store.View(ctx, func(r store.Reader) error { return l.run(r) }); err != nil {
			return err
		}
		for _, e := range l.list {
			if err := f(e); err != nil {
				return err
			}
		}
		if l.next == "" {
			return nil
		}
		l.after = strings.TrimPrefix(l.next, l.plan.name+":")
	}
}

// columns are the names of what an export has of each certificate.
func columns() []string {
	return []string{
		"id", "origin", "authority", "issuer", "serial", "subject", "names", "state", "not_before", "not_after", "issued_at",
		"profile", "requester", "key", "key_sha256", "revoked_at", "revocation_reason", "first_seen", "last_seen", "places", "pem",
	}
}

// values returns an entry's values of the columns.
func (e *Entry) values(now time.Time) []string {
	var issuer, first, last, places, managed, revoked, reason, issued string
	origin := Issued
	if e.Foreign != nil {
		origin, issuer = Elsewhere, e.Foreign.Issuer
		first, last = moment(e.Foreign.FirstSeen), moment(e.Foreign.LastSeen)
		var list []string
		for _, p := range e.Foreign.Places {
			list = append(list, strings.TrimSuffix(p.Address+" "+p.Name, " "))
		}
		places = strings.Join(list, "; ")
	} else {
		issued = moment(e.IssuedAt)
	}
	if e.Key != nil {
		managed = string(*e.Key)
	}
	if e.RevokedAt != nil {
		revoked, reason = moment(*e.RevokedAt), e.Reason.String()
	}
	return []string{
		e.ID, string(origin), e.Authority, issuer, e.Serial, e.Subject, strings.Join(e.Names, " "), string(e.StateAt(now)),
		moment(e.NotBefore), moment(e.NotAfter), issued, e.Profile, e.Requester, managed, term.KeyHash(e.DER), revoked, reason,
		first, last, places, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.DER})),
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// tableWriter writes rows in a format.
type tableWriter struct {
	columns []string
	out     *bufio.Writer
	csv     *csv.Writer // nil for JSON
	array   bool
	rows    int
}

// writerOf returns what writes rows of the columns; for PEM it writes nothing.
func writerOf(f Format, out *bufio.Writer, columns []string) *tableWriter {
	w := &tableWriter{columns: columns, out: out, array: f == JSON}
	if f == CSV {
		w.csv = csv.NewWriter(out)
		_ = w.csv.Write(columns) // an error comes back from end
	}
	if w.array {
		_, _ = out.WriteString("[") // as above
	}
	return w
}

// row writes one row. In JSON an empty value is left out.
func (w *tableWriter) row(values []string) error {
	w.rows++
	if w.csv != nil {
		for i, v := range values {
			values[i] = harmless(v)
		}
		return w.csv.Write(values)
	}
	b := []byte("\n{")
	if w.array && w.rows > 1 {
		b = []byte(",\n{")
	} else if !w.array {
		b = []byte("{")
	}
	first := true
	for i, v := range values {
		if v == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b = append(append(strconv.AppendQuote(b, w.columns[i]), ':'), text...)
	}
	if b = append(b, '}'); !w.array {
		b = append(b, '\n')
	}
	_, err := w.out.Write(b)
	return err
}

// end writes what comes after the last row.
func (w *tableWriter) end() error {
	if w.csv != nil {
		w.csv.Flush()
		return w.csv.Error()
	}
	if w.array {
		_, err := w.out.WriteString("\n]\n")
		return err
	}
	return nil
}

// harmless keeps a spreadsheet from taking a value for a formula: whoever asks
// for a certificate chooses its subject, and somebody else opens the table.
func harmless(v string) string {
	if v != "" && strings.IndexByte("=+-@\t\r", v[0]) >= 0 {
		return "'" + v
	}
	return v
}
