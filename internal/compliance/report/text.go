package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// maxNamed is how many resources of a rule the text names.
const maxNamed = 20

// writeText writes the findings by rule, the worst first.
func writeText(out io.Writer, r *compliance.Report) error {
	w := bufio.NewWriter(out)
	// A bufio.Writer keeps its first error for Flush.
	_, _ = fmt.Fprintf(w, "%s, %s\n%s\n", r.Place, r.GeneratedAt.Format(time.RFC3339), counts(r))
	for i := 0; i < len(r.Findings); {
		end := i
		for end < len(r.Findings) && r.Findings[end].Rule == r.Findings[i].Rule && r.Findings[end].Severity == r.Findings[i].Severity {
			end++
		}
		writeRule(w, r.Findings[i:end])
		i = end
	}
	if len(r.Gaps) > 0 {
		_, _ = fmt.Fprintf(w, "\nNot evaluated:\n")
	}
	for _, g := range r.Gaps {
		_, _ = fmt.Fprintf(w, "  %s: %s (%d, such as %s)\n", g.Rule, line(g.Reason), g.Resources, line(g.Example))
	}
	return w.Flush()
}

// writeRule writes the findings of a rule.
func writeRule(w *bufio.Writer, list []compliance.Finding) {
	f := &list[0]
	_, _ = fmt.Fprintf(w, "\n%-6s  %s  %s\n        %s\n", f.Severity, f.Rule, f.Title, strings.Join(f.Controls, "; "))
	for i := range list {
		if i == maxNamed {
			_, _ = fmt.Fprintf(w, "  … and %d more; other formats have all\n", len(list)-i)
			break
		}
		x := &list[i]
		name := x.Resource
		if x.Name != "" {
			name += " (" + x.Name + ")"
		}
		_, _ = fmt.Fprintf(w, "  %s: %s\n", line(name), line(x.Evidence))
		switch {
		case x.Exception != nil:
			_, _ = fmt.Fprintf(w, "    %s\n", line(excused(x)))
		case x.Command != "":
			_, _ = fmt.Fprintf(w, "    $ %s\n", line(x.Command))
		}
	}
	_, _ = fmt.Fprintf(w, "  %s\n", f.Advice)
}

// line returns a text without what a terminal would do something at.
func line(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return '�'
		}
		return r
	}, text)
}
