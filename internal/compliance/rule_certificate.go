package compliance

import "time"

// reissue is the command that issues a certificate in the place of another.
func reissue() map[Place]string {
	return map[Place]string{Holdfast: "holdfast cert issue --ca {issuer} --csr {request.pem}"}
}

func certificateRules() []Rule {
	again := reissue()
	return []Rule{
		{
			ID: "certificate-weak-key", Title: "A certificate is for a weak key", Severity: High, Category: Certificates,
			Controls: []string{"NIST SP 800-131A r2", "CA/B BR 6.1.5", "PCI DSS 4.0 4.2.1"},
			Advice:   "Issue another one for a key of 112 bits of strength or more.",
			Mend:     again, certificate: weakCertificate,
		},
		{
			ID: "certificate-weak-signature", Title: "A certificate is signed over a broken hash", Severity: High, Category: Certificates,
			Controls: []string{"NIST SP 800-131A r2 9", "CA/B BR 7.1.3.2"},
			Advice:   "Issue another one, signed over SHA-256 or better.",
			Mend:     again,
			certificate: func(_ *Moment, c *Certificate) Outcome {
				switch {
				case c.Broken:
					return failed("Signed with %s", c.Signature)
				case c.Signature == "":
					return unknown("the signature's algorithm is not known here")
				}
				return passed()
			},
		},
		{
			ID: "certificate-outlives-algorithm", Title: "A certificate lasts longer than its key's strength", Severity: Medium, Category: Certificates,
			Controls: []string{"NIST SP 800-57 pt 1 r5 5.6.3 table 4"},
			Advice:   "Issue another one for a key of 128 bits of strength, or one that ends in 2030.",
			Mend:     again, certificate: outlives,
		},
	}
}

// lifeRules are those about how long certificates last.
func lifeRules() []Rule {
	return []Rule{
		{
			ID: "certificate-long-lived", Title: "A certificate of a TLS server lasts too long", Severity: Medium, Category: Certificates,
			Controls: []string{"CA/B BR 6.3.2"},
			Advice:   "Have certificates of servers renewed by themselves, and let them last for months at most.",
			Mend:     map[Place]string{Holdfast: "holdfast managed request --ca {issuer} --domain {host}"},
			certificate: func(m *Moment, c *Certificate) Outcome {
				// Both ends count (RFC 5280 section 4.1.2.5): 398 days end a second before.
				life := c.NotAfter.Sub(c.NotBefore) + time.Second
				switch {
				case !c.Server || c.Authority != "":
					return exempt()
				case life > time.Duration(m.ServerLife)*day:
					return failed("Valid for %d days, not %d at most", int((life+day-1)/day), m.ServerLife)
				}
				return passed()
			},
		},
		{
			ID: "certificate-expiring", Title: "A certificate ends soon, and nothing takes its place", Severity: Medium, Category: Certificates,
			Controls: []string{"PCI DSS 4.0 4.2.1", "PCI DSS 4.0 4.2.1.1"},
			Advice:   "Renew it, best by itself.",
			Mend:     reissue(), certificate: expiring,
		},
		{
			ID: "authority-expiring", Title: "An authority's certificate ends soon", Severity: High, Category: Certificates,
			Controls: []string{"NIST SP 800-57 pt 1 r5 5.3.6", "PCI DSS 4.0 4.2.1"},
			Advice:   "Renew the authority, or have a successor with a new key take its name over, while what it issues can still last.",
			Mend:     map[Place]string{Holdfast: "holdfast ca renew {id}"},
			certificate: func(m *Moment, c *Certificate) Outcome {
				left := c.NotAfter.Sub(m.Now)
				switch {
				case c.Authority == "":
					return exempt()
				case left < 0:
					return failed("Ended on %s", c.NotAfter.Format(time.DateOnly))
				case left < time.Duration(m.AuthorityExpiring)*day:
					return failed("Ends on %s, in %d days", c.NotAfter.Format(time.DateOnly), int(left/day))
				}
				return passed()
			},
		},
	}
}

func weakCertificate(_ *Moment, c *Certificate) Outcome {
	switch s := c.Type.strength(); {
	case c.Type.Family == 0:
		return unknown("the type of its key is not known here")
	case s < 112:
		return failed("A key of %s, with %d bits of strength", c.Type.Name, s)
	}
	return passed()
}

func outlives(_ *Moment, c *Certificate) Outcome {
	switch s := c.Type.strength(); {
	case c.Type.Family == 0:
		return unknown("the type of its key is not known here")
	case s < 112:
		return exempt() // certificate-weak-key
	case s < 128 && c.NotAfter.After(endOf(last112)):
		return failed("A key of %s, until %s", c.Type.Name, c.NotAfter.Format(time.DateOnly))
	}
	return passed()
}

// expiring judges certificates that last less than three times the warning's
// days by a third of their life.
func expiring(m *Moment, c *Certificate) Outcome {
	if c.Authority != "" {
		return exempt()
	}
	left, warn := c.NotAfter.Sub(m.Now), time.Duration(m.Expiring)*day
	warn = min(warn, c.NotAfter.Sub(c.NotBefore)/3)
	switch {
	case left >= warn || c.Successor.After(c.NotAfter):
		return passed()
	case left < 0:
		return failed("Ended on %s", c.NotAfter.Format(time.DateOnly)).as(High)
	}
	return failed("Ends on %s, in %d days", c.NotAfter.Format(time.DateOnly), int(left/day))
}
