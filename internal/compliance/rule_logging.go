package compliance

import "strconv"

func loggingRules() []Rule {
	return []Rule{
		{
			ID: "use-not-logged", Title: "The use of keys is not logged", Severity: High, Category: Logging,
			Controls: []string{"PCI DSS 4.0 10.2.1", "NIST SP 800-53 r5 AU-2"},
			Advice:   "Have every use of a key recorded where it lasts.",
			Mend: map[Place]string{
				Holdfast: "holdfast server --data {directory}",
				AWS:      "aws cloudtrail create-trail --region {region} --name {trail} --s3-bucket-name {bucket} --is-multi-region-trail",
			},
			installation: notLogged,
		},
		{
			ID: "audit-retention", Title: "The audit log is kept for less than a year", Severity: Medium, Category: Logging,
			Controls: []string{"PCI DSS 4.0 10.5.1", "NIST SP 800-53 r5 AU-11"},
			Advice:   "Keep the log for 12 months at least, and the last three of them at hand.",
			Mend:     map[Place]string{Holdfast: "holdfast server --config {config.yaml}"},
			installation: func(m *Moment, i *Installation) Outcome {
				r, ok := i.Retention.Get()
				switch {
				case !ok:
					return unknown(i.Retention.Why())
				case r.Days > 0 && r.Days < m.Retention:
					return failed("Entries are kept for %d days, not %d", r.Days, m.Retention)
				}
				return passed()
			},
		},
		{
			ID: "audit-one-place", Title: "The audit log is in one place only", Severity: Low, Category: Logging,
			Controls: []string{"PCI DSS 4.0 10.3.3", "NIST SP 800-53 r5 AU-9(2)"},
			Advice:   "Name sinks under audit in the configuration, to which the log is delivered as it is written.",
			Mend:     map[Place]string{Holdfast: "holdfast audit sink list"},
			installation: func(_ *Moment, i *Installation) Outcome {
				n, ok := i.Copies.Get()
				switch {
				case !ok:
					return unknown(i.Copies.Why())
				case n == 0:
					return failed("Neither a sink nor a trail that is on takes the log elsewhere")
				}
				return passed()
			},
		},
	}
}

func notLogged(_ *Moment, i *Installation) Outcome {
	l, ok := i.Logging.Get()
	switch {
	case !ok:
		return unknown(i.Logging.Why())
	case !l.On:
		return failed("KMS operations may not be logged: %s", l.Where)
	}
	return passed()
}

func exceptionRules() []Rule {
	return []Rule{{
		ID: "exception-expired", Title: "An exception has ended, and what it excused is still there", Severity: Medium, Category: Exceptions,
		Controls: []string{"NIST SP 800-53 r5 CA-5"},
		Advice:   "Mend what was excused, or have the owner decide anew until when it is accepted.",
		exception: func(m *Moment, x *Exception) Outcome {
			if x.Expired(m.Now) {
				return failed("The exception for %s of %s ended on %s; its owner is %s", x.Rule, strconv.Quote(x.Resource), x.Until, x.Owner)
			}
			return passed()
		},
	}}
}
