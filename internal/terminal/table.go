package terminal

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Table is a table for people, or a list of facts. Its columns are aligned.
type Table struct{ w io.Writer }

// Row writes the cells of one line.
func (t *Table) Row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t") //nolint:errcheck // a tabwriter reports its errors in Flush
		}
		fmt.Fprint(t.w, Cell(c)) //nolint:errcheck // a tabwriter reports its errors in Flush
	}
	fmt.Fprintln(t.w) //nolint:errcheck // a tabwriter reports its errors in Flush
}

// Fact writes a named value, unless there is none.
func (t *Table) Fact(name string, value any) {
	if text := Cell(value); text != "" && text != "-" {
		t.Row(name+":", text)
	}
}

// Cell writes a value for people.
func Cell(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "-"
		}
		return v.UTC().Format("2006-01-02 15:04:05Z")
	case *time.Time:
		if v == nil {
			return "-"
		}
		return Cell(*v)
	case []string:
		return strings.Join(v, ", ")
	}
	return Printable(fmt.Sprint(v))
}

// Printable replaces what could steer a terminal: names and descriptions are
// written by others.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return '\ufffd'
		}
		return r
	}, s)
}

// OrDash returns a text, or "-" for none.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
