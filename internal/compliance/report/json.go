package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
)

// The JSON form: generated_at, summary and issues are those of the checker that
// it comes from, with its words for its own checks; all else is added.
// testdata/report.schema.json says it in full.
type document struct {
	GeneratedAt  string                         `json:"generated_at"`
	Place        string                         `json:"place"`
	Summary      summary                        `json:"summary"`
	Issues       map[compliance.Category]issues `json:"issues"`
	NotEvaluated []gap                          `json:"not_evaluated"`
	Rules        []result                       `json:"rules"`
}

type summary struct {
	Total  int `json:"total_issues"`
	High   int `json:"high_severity"`
	Medium int `json:"medium_severity"`
	Low    int `json:"low_severity"`
	// Excused are not among the others.
	Excused  int `json:"excused"`
	Unlisted int `json:"unlisted"`
}

type issues []issue

type issue struct {
	KeyID          string     `json:"key_id,omitempty"`
	Issue          string     `json:"issue"`
	Severity       string     `json:"severity"`
	Recommendation string     `json:"recommendation"`
	Rule           string     `json:"rule"`
	Title          string     `json:"title"`
	Controls       []string   `json:"controls"`
	Resource       string     `json:"resource"`
	Name           string     `json:"name,omitempty"`
	Region         string     `json:"region,omitempty"`
	Command        string     `json:"command,omitempty"`
	Exception      *exception `json:"exception,omitempty"`
}

type exception struct {
	Owner  string `json:"owner"`
	Reason string `json:"reason"`
	Until  string `json:"until"`
}

type gap struct {
	Rule      string `json:"rule"`
	Reason    string `json:"reason"`
	Resources int    `json:"resources"`
	Example   string `json:"example,omitempty"`
}

type result struct {
	Rule         string `json:"rule"`
	Passed       int    `json:"passed"`
	Failed       int    `json:"failed"`
	Excused      int    `json:"excused"`
	NotEvaluated int    `json:"not_evaluated"`
}

func writeJSON(w io.Writer, r *compliance.Report) error {
	d := document{
		GeneratedAt: r.GeneratedAt.Format(time.RFC3339Nano), Place: r.Place,
		Summary: summary{
			High: r.Count(compliance.High), Medium: r.Count(compliance.Medium), Low: r.Count(compliance.Low), Unlisted: r.More,
		},
		Issues: map[compliance.Category]issues{}, NotEvaluated: []gap{}, Rules: []result{},
	}
	d.Summary.Total = d.Summary.High + d.Summary.Medium + d.Summary.Low
	d.Summary.Excused = len(r.Findings) - d.Summary.Total
	for _, c := range compliance.Categories() {
		d.Issues[c] = issues{}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		d.Issues[f.Category] = append(d.Issues[f.Category], issueOf(f))
	}
	for _, g := range r.Gaps {
		d.NotEvaluated = append(d.NotEvaluated, gap(g))
	}
	for _, x := range r.Results {
		d.Rules = append(d.Rules, result(x))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(&d)
}

func issueOf(f *compliance.Finding) issue {
	x := issue{
		Issue: f.Evidence, Severity: f.Severity.String(), Recommendation: f.Advice, Rule: f.Rule, Title: f.Title, Controls: f.Controls,
		Resource: f.Resource, Name: f.Name, Region: f.Region, Command: f.Command,
	}
	if f.Subject == compliance.SubjectKey {
		x.KeyID = f.ID
	}
	if e := f.Exception; e != nil {
		x.Exception = &exception{e.Owner, e.Reason, e.Until}
	}
	return x
}
