package compliance

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Finding is a rule that a resource breaks.
type Finding struct {
	Rule, Title string
	Severity    Severity
	Category    Category
	Subject     Subject
	Controls    []string
	// Resource names the resource in exceptions, ID in commands; Name is what people
	// call it.
	Resource, ID, Name, Region string
	// Evidence is what was seen, Advice what to do, and Command what does it, ""
	// where nothing is known. In it words in braces are for people to fill in.
	Evidence, Advice, Command string
	// Exception is who answers for the finding; nil for nobody.
	Exception *Exception
}

// Gap is what could not be evaluated, for so many resources, one of which is
// named.
type Gap struct {
	Rule, Reason string
	Resources    int
	Example      string
}

// Result is what a rule said of how many resources.
type Result struct {
	Rule                                  string
	Passed, Failed, Excused, NotEvaluated int
}

// MaxFindings is how many findings a report has at most; what is beyond that is
// only counted.
const MaxFindings = 100_000

// maxGaps is how many gaps are told apart.
const maxGaps = 1000

// Report is what was found in a place.
type Report struct {
	// Place is what was looked at.
	Place       string
	GeneratedAt time.Time
	// Findings are in order: the worst first, then by rule and by resource.
	Findings []Finding
	// More is how many findings were not kept.
	More int
	Gaps []Gap
	// Results has every rule.
	Results []Result
}

// Worst returns the severity of the worst finding that is not excused, 0 for
// none.
func (r *Report) Worst() Severity {
	var worst Severity
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Exception == nil {
			worst = max(worst, f.Severity)
		}
	}
	return worst
}

// Count returns how many findings of a severity nobody excused.
func (r *Report) Count(s Severity) (n int) {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Exception == nil && f.Severity == s {
			n++
		}
	}
	return n
}

// result returns the row of a rule.
func (r *Report) result(rule string) *Result {
	i := slices.IndexFunc(r.Results, func(x Result) bool { return x.Rule == rule })
	if i < 0 {
		r.Results = append(r.Results, Result{Rule: rule})
		i = len(r.Results) - 1
	}
	return &r.Results[i]
}

// note adds what a rule says of a resource, which about names.
func (r *Report) note(rule *Rule, o Outcome, about Finding) {
	row := r.result(rule.ID)
	switch o.Verdict {
	case NotApplicable:
	case Passed:
		row.Passed++
	case NotEvaluated:
		row.NotEvaluated++
		r.gap(rule.ID, o.Text, about.Resource)
	case Failed:
		row.Failed++
		if len(r.Findings) >= MaxFindings {
			r.More++
			return
		}
		f := about
		f.Rule, f.Title, f.Category, f.Controls, f.Advice = rule.ID, rule.Title, rule.Category, rule.Controls, rule.Advice
		f.Subject, f.Evidence, f.Severity = rule.Subject(), o.Text, cmp.Or(o.Severity, rule.Severity)
		r.Findings = append(r.Findings, f)
	}
}

// gap counts something that could not be evaluated.
func (r *Report) gap(rule, reason, resource string) {
	for i := range r.Gaps {
		if g := &r.Gaps[i]; g.Rule == rule && g.Reason == reason {
			g.Resources++
			return
		}
	}
	if len(r.Gaps) < maxGaps {
		r.Gaps = append(r.Gaps, Gap{Rule: rule, Reason: reason, Resources: 1, Example: resource})
	}
}

// finish puts the report in order and counts what is excused.
func (r *Report) finish() {
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Resource, b.Resource))
	})
	slices.SortFunc(r.Gaps, func(a, b Gap) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Reason, b.Reason)) })
	for i := range r.Results {
		r.Results[i].Excused = 0
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Exception != nil {
			r.result(f.Rule).Excused++
		}
	}
}

// Merge adds the findings of another place.
func (r *Report) Merge(other *Report) {
	r.Place += ", " + other.Place
	room := max(0, MaxFindings-len(r.Findings))
	r.More += other.More + max(0, len(other.Findings)-room)
	r.Findings = append(r.Findings, other.Findings[:min(room, len(other.Findings))]...)
	r.Gaps = append(r.Gaps, other.Gaps...)
	for _, o := range other.Results {
		row := r.result(o.Rule)
		row.Passed += o.Passed
		row.Failed += o.Failed
		row.NotEvaluated += o.NotEvaluated
	}
	r.finish()
}

// Checker judges facts by every rule, as they come. It belongs to one
// goroutine.
type Checker struct {
	moment Moment
	rules  []Rule
	report Report
}

// NewChecker returns a checker for a place at a time.
func NewChecker(place string, s Settings, now time.Time) *Checker {
	c := &Checker{moment: Moment{s, now.UTC()}, rules: Rules(), report: Report{Place: place, GeneratedAt: now.UTC()}}
	for i := range c.rules {
		c.report.result(c.rules[i].ID)
	}
	return c
}

// Key judges a key.
func (c *Checker) Key(k *Key) {
	for i := range c.rules {
		if r := &c.rules[i]; r.key != nil {
			about := Finding{Resource: k.Resource, ID: k.ID, Name: k.Name, Region: k.Region}
			c.note(r, r.key(&c.moment, k), k.Place, about, "{spec}", k.Spec, "{usage}", k.Usage, "{stronger}", stronger(k.Type))
		}
	}
}

// Certificate judges a certificate.
func (c *Checker) Certificate(x *Certificate) {
	for i := range c.rules {
		if r := &c.rules[i]; r.certificate != nil {
			about := Finding{Resource: x.Resource, ID: cmp.Or(x.Authority, x.Serial), Name: x.Name, Region: x.Region}
			c.note(r, r.certificate(&c.moment, x), x.Place, about, "{issuer}", x.Issuer)
		}
	}
}

// Installation judges a server or an account.
func (c *Checker) Installation(x *Installation) {
	for i := range c.rules {
		if r := &c.rules[i]; r.installation != nil {
			c.note(r, r.installation(&c.moment, x), x.Place, Finding{Resource: x.Resource, Region: x.Region})
		}
	}
}

// Gap tells of resources that could not be looked at at all: no rule about the
// subject was evaluated for them.
func (c *Checker) Gap(s Subject, resource, reason string) {
	for i := range c.rules {
		if r := &c.rules[i]; r.Subject() == s {
			c.report.note(r, unknown(reason), Finding{Resource: resource})
		}
	}
}

// note adds an outcome, with the command that mends it.
func (c *Checker) note(r *Rule, o Outcome, p Place, about Finding, more ...string) {
	if o.Verdict == Failed {
		var pairs []string
		for _, pair := range [][2]string{{"{id}", about.ID}, {"{region}", about.Region}, {"{name}", about.Name}} {
			if pair[1] != "" {
				pairs = append(pairs, pair[0], quoted(pair[1]))
			}
		}
		for i := 0; i+1 < len(more); i += 2 {
			if more[i+1] != "" {
				pairs = append(pairs, more[i], quoted(more[i+1]))
			}
		}
		command := r.Mend[p]
		if o.Otherwise {
			command = r.Otherwise[p]
		}
		about.Command = strings.NewReplacer(pairs...).Replace(command)
	}
	c.report.note(r, o, about)
}

// quoted returns a word of a command, in quotes where a shell would read
// something else in it.
func quoted(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-.:@%+=,"
	if strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Report returns what was found. The checker is not used after it.
func (c *Checker) Report() *Report {
	c.report.finish()
	return &c.report
}
