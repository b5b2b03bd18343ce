package report

import (
	_ "embed" // the page
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

//go:embed page.html
var page string

// group is a rule with its findings.
type group struct {
	Rule, Title, Advice, Severity, Level string
	Controls                             []string
	Findings                             []compliance.Finding
}

// view is what the page shows.
type view struct {
	Place, Time, Version, Counts string
	High, Medium, Low, Excused   int
	Groups                       []group
	Gaps                         []compliance.Gap
	Results                      []compliance.Result
}

// writeHTML writes a page that needs nothing but itself.
func writeHTML(w io.Writer, r *compliance.Report, p Producer) error {
	t, err := template.New("page").Funcs(template.FuncMap{"excused": func(f compliance.Finding) string { return excused(&f) }}).Parse(page)
	if err != nil {
		return err
	}
	v := view{
		Place: r.Place, Time: r.GeneratedAt.Format(time.RFC1123), Version: p.Version, Counts: counts(r),
		High: r.Count(compliance.High), Medium: r.Count(compliance.Medium), Low: r.Count(compliance.Low), Gaps: r.Gaps, Results: r.Results,
	}
	v.Excused = len(r.Findings) - v.High - v.Medium - v.Low
	for i := range r.Findings {
		f := &r.Findings[i]
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Rule != f.Rule || v.Groups[n-1].Severity != f.Severity.String() {
			v.Groups = append(v.Groups, group{
				Rule: f.Rule, Title: f.Title, Advice: f.Advice, Severity: f.Severity.String(), Level: strings.ToLower(f.Severity.String()), Controls: f.Controls,
			})
		}
		last := &v.Groups[len(v.Groups)-1]
		last.Findings = append(last.Findings, *f)
	}
	return t.Execute(w, &v)
}
