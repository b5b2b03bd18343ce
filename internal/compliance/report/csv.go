package report

import (
	"encoding/csv"
	"io"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// writeCSV writes a finding a row. Values that a spreadsheet would take for
// formulas are quoted with an apostrophe (CWE-1236).
func writeCSV(out io.Writer, r *compliance.Report) error {
	w := csv.NewWriter(out)
	rows := [][]string{{
		"severity", "rule", "title", "category", "resource", "id", "name", "region", "evidence", "controls", "advice", "command",
		"excused_by", "excused_until", "excused_because", "place", "generated_at",
	}}
	for i := range r.Findings {
		f := &r.Findings[i]
		x := compliance.Exception{}
		if f.Exception != nil {
			x = *f.Exception
		}
		rows = append(rows, []string{
			f.Severity.String(), f.Rule, f.Title, string(f.Category), f.Resource, f.ID, f.Name, f.Region, f.Evidence,
			strings.Join(f.Controls, "; "), f.Advice, f.Command, x.Owner, x.Until, x.Reason, r.Place, r.GeneratedAt.Format(time.RFC3339),
		})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = harmless(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// harmless returns a value that no spreadsheet takes for a formula.
func harmless(v string) string {
	if v != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(v[0])) {
		return "'" + v
	}
	return v
}
