package store

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The limits of a row, in bytes. An index entry of PostgreSQL, which holds a
// column's value and the id, must stay under 2,704 bytes.
const (
	MaxText = 1024    // an id, or a column's value
	MaxBody = 1 << 20 // a body
)

// NotFound is the error of a row that is not there. It says so to the log
// only: what the caller of an API asked for has another name than a table's.
func (t *Table) NotFound() error {
	return &fault.Error{Kind: fault.NotFound, Op: "store", Err: errors.New("no such row in " + t.Name)}
}

// AlreadyExists is the error of inserting a row that is there.
func (t *Table) AlreadyExists() error {
	return &fault.Error{Kind: fault.AlreadyExists, Op: "store", Err: errors.New("the row exists in " + t.Name)}
}

// Check says whether the row may be stored in the table: an id, one value for
// each column, UTF-8 without NUL, and nothing longer than the limits.
func (t *Table) Check(r Row) error {
	if r.ID == "" {
		return fault.New(fault.InvalidArgument, "a row of %s needs an id", t.Name)
	}
	if len(r.Columns) != len(t.Columns) {
		return fault.New(fault.InvalidArgument, "a row of %s has %d columns, not %d", t.Name, len(t.Columns), len(r.Columns))
	}
	if len(r.Body) > MaxBody {
		return fault.New(fault.LimitExceeded, "a row of %s has a body of %d bytes; the limit is %d", t.Name, len(r.Body), MaxBody)
	}
	if err := t.checkText("id", r.ID); err != nil {
		return err
	}
	for i, value := range r.Columns {
		if err := t.checkText(t.Columns[i], value); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) checkText(what, value string) error {
	if len(value) > MaxText {
		return fault.New(fault.LimitExceeded, "%s of a row of %s has %d bytes; the limit is %d", what, t.Name, len(value), MaxText)
	}
	if !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
		return fault.New(fault.InvalidArgument, "%s of a row of %s is not UTF-8 without NUL", what, t.Name)
	}
	return nil
}

// Check says whether the query is one that the table can answer.
func (q Query) Check(t *Table) error {
	switch {
	case q.Column != "" && !slices.Contains(t.Columns, q.Column):
		return fault.New(fault.InvalidArgument, "table %s has no column %q", t.Name, q.Column)
	case q.Column == "" && q.Equal != "":
		return fault.New(fault.InvalidArgument, "a query for equal values of %s names no column", t.Name)
	case q.Equal != "" && (q.From != "" || q.To != ""):
		return fault.New(fault.InvalidArgument, "a query of %s has both an equal value and a range", t.Name)
	case q.Column != "" && q.Equal == "" && q.After != "":
		return fault.New(fault.InvalidArgument, "a query of %s skips ids in a range of %s", t.Name, q.Column)
	case q.Limit < 0:
		return fault.New(fault.InvalidArgument, "a query of %s has a negative limit", t.Name)
	}
	for _, value := range []string{q.From, q.To, q.Equal, q.After} {
		if err := t.checkText("a bound", value); err != nil {
			return err
		}
	}
	return nil
}
