package native

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ComplianceReport is what is wrong with how keys and certificates are kept.
type ComplianceReport struct {
	// Place is what was looked at.
	Place string `json:"place"`
	// GeneratedAt is when.
	GeneratedAt time.Time `json:"generated_at"`
	// Findings are in order, the worst first.
	Findings []ComplianceFinding `json:"findings"`
	// More is how many findings are left out, because there are too many.
	More int `json:"more,omitempty"`
	// Gaps are what could not be evaluated, and why.
	Gaps []ComplianceGap `json:"gaps"`
	// Results has every rule.
	Results []ComplianceResult `json:"results"`
}

// ComplianceFinding is a rule that a resource breaks.
type ComplianceFinding struct {
	// Rule is its id; Category is the group of rules that it is of.
	Rule     string `json:"rule"`
	Title    string `json:"title"`
	Category string `json:"category"`
	// Severity is LOW, MEDIUM or HIGH.
	Severity string `json:"severity"`
	// Controls are the numbers of what the rule shows.
	Controls []string `json:"controls"`
	// Subject is key, certificate, installation or exception.
	Subject string `json:"subject"`
	// Resource names the resource, ID what commands call it, and Name what people
	// do.
	Resource string `json:"resource"`
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Region   string `json:"region,omitempty"`
	// Evidence is what was seen, Advice what to do, and Command what does it: in
	// it words in braces are for people to fill in.
	Evidence string `json:"evidence"`
	Advice   string `json:"advice"`
	Command  string `json:"command,omitempty"`
}

// ComplianceGap is what could not be evaluated, for so many resources, one of
// which is the example.
type ComplianceGap struct {
	Rule      string `json:"rule"`
	Reason    string `json:"reason"`
	Resources int    `json:"resources"`
	Example   string `json:"example,omitempty"`
}

// ComplianceResult is what a rule said of how many resources.
type ComplianceResult struct {
	Rule         string `json:"rule"`
	Passed       int    `json:"passed"`
	Failed       int    `json:"failed"`
	NotEvaluated int    `json:"not_evaluated"`
}

// ComplianceLine is a line of a report that streams: one member is there. The
// first line has Begin, the last one End, without which a report is not whole.
type ComplianceLine struct {
	Begin   *ComplianceReport  `json:"begin,omitempty"` // without its lists
	Finding *ComplianceFinding `json:"finding,omitempty"`
	Gap     *ComplianceGap     `json:"gap,omitempty"`
	Result  *ComplianceResult  `json:"result,omitempty"`
	End     bool               `json:"end,omitempty"`
}

// WriteCompliance writes a report line by line.
func WriteCompliance(r *compliance.Report, write func(*ComplianceLine) error) error {
	lines := func(yield func(*ComplianceLine) bool) {
		if !yield(&ComplianceLine{Begin: &ComplianceReport{Place: r.Place, GeneratedAt: r.GeneratedAt, More: r.More}}) {
			return
		}
		for i := range r.Findings {
			if !yield(&ComplianceLine{Finding: findingOf(&r.Findings[i])}) {
				return
			}
		}
		for _, g := range r.Gaps {
			gap := ComplianceGap(g)
			if !yield(&ComplianceLine{Gap: &gap}) {
				return
			}
		}
		for _, x := range r.Results {
			if !yield(&ComplianceLine{Result: &ComplianceResult{x.Rule, x.Passed, x.Failed, x.NotEvaluated}}) {
				return
			}
		}
		yield(&ComplianceLine{End: true})
	}
	for line := range lines {
		if err := write(line); err != nil {
			return err
		}
	}
	return nil
}

func findingOf(f *compliance.Finding) *ComplianceFinding {
	return &ComplianceFinding{
		Rule: f.Rule, Title: f.Title, Category: string(f.Category), Severity: f.Severity.String(), Controls: f.Controls,
		Subject: string(f.Subject), Resource: f.Resource, ID: f.ID, Name: f.Name, Region: f.Region,
		Evidence: f.Evidence, Advice: f.Advice, Command: f.Command,
	}
}

// Add puts a line into the report, and reports whether it was the last one.
func (r *ComplianceReport) Add(line *ComplianceLine) (last bool) {
	switch {
	case line.Begin != nil:
		r.Place, r.GeneratedAt, r.More = line.Begin.Place, line.Begin.GeneratedAt, line.Begin.More
	case line.Finding != nil:
		r.Findings = append(r.Findings, *line.Finding)
	case line.Gap != nil:
		r.Gaps = append(r.Gaps, *line.Gap)
	case line.Result != nil:
		r.Results = append(r.Results, *line.Result)
	}
	return line.End
}

// Report returns the report in the terms of package compliance.
func (r *ComplianceReport) Report() (*compliance.Report, error) {
	out := &compliance.Report{Place: r.Place, GeneratedAt: r.GeneratedAt, More: r.More}
	for i := range r.Findings {
		f := &r.Findings[i]
		severity := compliance.ParseSeverity(f.Severity)
		if severity == 0 {
			return nil, fault.New(fault.InvalidArgument, "%q is no severity", f.Severity)
		}
		out.Findings = append(out.Findings, compliance.Finding{
			Rule: f.Rule, Title: f.Title, Category: compliance.Category(f.Category), Severity: severity, Controls: f.Controls,
			Subject: compliance.Subject(f.Subject), Resource: f.Resource, ID: f.ID, Name: f.Name, Region: f.Region,
			Evidence: f.Evidence, Advice: f.Advice, Command: f.Command,
		})
	}
	for _, g := range r.Gaps {
		out.Gaps = append(out.Gaps, compliance.Gap(g))
	}
	for _, x := range r.Results {
		out.Results = append(out.Results, compliance.Result{Rule: x.Rule, Passed: x.Passed, Failed: x.Failed, NotEvaluated: x.NotEvaluated})
	}
	return out, nil
}
