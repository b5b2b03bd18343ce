package compliance

import "fmt"

// Rule is something that should be so.
type Rule struct {
	// ID names the rule in reports and exceptions.
	ID    string
	Title string
	// Severity is that of its findings, unless the facts make one worse.
	Severity Severity
	Category Category
	// Controls are the numbers of what it shows: `PCI DSS 4.0 3.7.4`.
	Controls []string
	// Advice says in words what to do.
	Advice string
	// Mend is the command that does it, by place. {id}, {region}, {name}, {spec},
	// {usage}, {stronger} and {issuer} stand for the resource's, other words in
	// braces for what only people know. Otherwise is the command for those that
	// Mend is not for.
	Mend, Otherwise map[Place]string

	key          func(*Moment, *Key) Outcome
	certificate  func(*Moment, *Certificate) Outcome
	installation func(*Moment, *Installation) Outcome
	exception    func(*Moment, *Exception) Outcome
}

// Subject returns what the rule is about.
func (r *Rule) Subject() Subject {
	switch {
	case r.key != nil:
		return SubjectKey
	case r.certificate != nil:
		return SubjectCertificate
	case r.installation != nil:
		return SubjectInstallation
	}
	return SubjectException
}

// Verdict is what a rule says of a resource.
type Verdict uint8

// The verdicts.
const (
	NotApplicable Verdict = iota
	Passed
	Failed
	NotEvaluated
)

// Outcome is a verdict with its reason.
type Outcome struct {
	Verdict Verdict
	// Text is the evidence of what failed, and the reason of what could not be
	// evaluated.
	Text string
	// Severity, if it is not 0, takes the place of the rule's.
	Severity Severity
	// Otherwise has the rule's other command told.
	Otherwise bool
}

func exempt() Outcome { return Outcome{} }

func passed() Outcome { return Outcome{Verdict: Passed} }

func failed(format string, args ...any) Outcome {
	return Outcome{Verdict: Failed, Text: fmt.Sprintf(format, args...)}
}

func (o Outcome) as(s Severity) Outcome {
	o.Severity = s
	return o
}

func (o Outcome) otherwise() Outcome {
	o.Otherwise = true
	return o
}

func unknown(why string) Outcome { return Outcome{Verdict: NotEvaluated, Text: why} }

// Rules returns every rule, in the order of reports.
func Rules() []Rule {
	var all []Rule
	for _, group := range [][]Rule{
		rotationRules(), policyRules(), loggingRules(), algorithmRules(), storageRules(), fipsRules(), dutyRules(),
		certificateRules(), lifeRules(), exceptionRules(),
	} {
		all = append(all, group...)
	}
	return all
}
