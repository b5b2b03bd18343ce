package compliance

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

func rotationRules() []Rule {
	return []Rule{
		{
			ID: "key-rotation-off", Title: "A symmetric key is not rotated by the clock", Severity: Medium, Category: KeyRotation,
			Controls: []string{"PCI DSS 4.0 3.7.4", "NIST SP 800-57 pt 1 r5 5.3.6"},
			Advice:   "Have the clock give the key new material; what was encrypted before stays readable.",
			Mend: map[Place]string{
				Holdfast: "holdfast key rotation enable {id} --region {region}", AWS: "aws kms enable-key-rotation --region {region} --key-id {id}",
			},
			key: rotationOff,
		},
		{
			ID: "key-old", Title: "A key is older than three years", Severity: Low, Category: KeyRotation,
			Controls: []string{"PCI DSS 4.0 3.7.4", "PCI DSS 4.0 3.7.5"},
			Advice:   "Rotate the key, or have a new one take its place.",
			Mend:     anew("{spec}", "{usage}"), key: old,
		},
		{
			ID: "key-cryptoperiod", Title: "A key is in use beyond its cryptoperiod", Severity: Medium, Category: KeyRotation,
			Controls: []string{"NIST SP 800-57 pt 1 r5 5.3.6 table 1", "PCI DSS 4.0 3.7.4"},
			Advice:   "Rotate the key, or have a new one take its place: the period is over in which it may protect anything new.",
			Mend: map[Place]string{
				Holdfast: "holdfast key rotate {id} --region {region}", AWS: "aws kms rotate-key-on-demand --region {region} --key-id {id}",
			},
			Otherwise: anew("{spec}", "{usage}"), key: cryptoperiod,
		},
		{
			ID: "key-unused", Title: "A key has not been used for a long time", Severity: Low, Category: KeyUse,
			Controls: []string{"PCI DSS 4.0 3.7.5", "NIST SP 800-57 pt 1 r5 8.3.4"},
			Advice:   "Disable what nobody needs, and delete it when nothing misses it.",
			Mend: map[Place]string{
				Holdfast: "holdfast key disable {id} --region {region}", AWS: "aws kms disable-key --region {region} --key-id {id}",
			},
			key: unused,
		},
	}
}

// anew returns the commands that make a key, in the words that both share.
func anew(spec, usage string) map[Place]string {
	return map[Place]string{
		Holdfast: "holdfast key create --spec " + spec + " --usage " + usage + " --region {region}",
		AWS:      "aws kms create-key --region {region} --key-spec " + spec + " --key-usage " + usage,
	}
}

// inUse returns false, with what to say, for keys that protect nothing: those of
// the place's operator, and those that are not enabled.
func inUse(k *Key) (Outcome, bool) {
	if k.Foreign {
		return exempt(), false
	}
	state, ok := k.State.Get()
	if !ok {
		return unknown(k.State.Why()), false
	}
	return exempt(), state == key.Enabled
}

func rotationOff(_ *Moment, k *Key) Outcome {
	state, known := k.State.Get()
	if k.Foreign || k.Type.Family != alg.AES && k.Type.Family != 0 || known && state == key.PendingDeletion {
		return exempt()
	}
	r, ok := k.Rotation.Get()
	switch {
	case !ok:
		return unknown(k.Rotation.Why())
	case !r.Possible:
		return exempt()
	case !r.Enabled:
		return failed("Key rotation is not enabled")
	}
	return passed()
}

func old(m *Moment, k *Key) Outcome {
	if k.Foreign || k.Succeeded {
		return exempt()
	}
	created, ok := k.Created.Get()
	if !ok {
		return unknown(k.Created.Why())
	}
	if age := m.days(created); age > m.KeyAge {
		return failed("Key is %d days old: it was made on %s", age, created.Format(time.DateOnly))
	}
	return passed()
}

// period returns for how long a key may protect something new, in days (NIST
// SP 800-57 part 1 revision 5, section 5.3.6, the upper ends of table 1), and
// what the table calls it.
func period(t Type) (days int, what string) {
	switch t.Usage {
	case alg.SignVerify:
		return 3 * 365, "private signature key, 1 to 3 years"
	case alg.GenerateVerifyMAC:
		return 2 * 365, "symmetric authentication key, at most 2 years"
	case alg.EncryptDecrypt:
		if t.Family == alg.AES {
			return 2 * 365, "symmetric data-encryption key, at most 2 years"
		}
		return 2 * 365, "private key-transport key, at most 2 years"
	case alg.RawEncryptDecrypt:
		return 2 * 365, "symmetric data-encryption key, at most 2 years"
	case alg.KeyTransfer:
		return 2 * 365, "private key-transport key, at most 2 years"
	case alg.KeyAgreement:
		return 2 * 365, "private static key-agreement key, 1 to 2 years"
	case alg.NoUsage:
	}
	return 0, ""
}

// cryptoperiod does not judge keys of authorities: their certificates say how
// long they last.
func cryptoperiod(m *Moment, k *Key) Outcome {
	if o, ok := inUse(k); !ok || k.Authority != "" || k.Succeeded {
		return o
	}
	days, what := period(k.Type)
	if days == 0 {
		return unknown("the place does not tell what the key is for")
	}
	since, ok := k.Renewed.Get()
	if !ok {
		return unknown(k.Renewed.Why())
	}
	age := m.days(since)
	if age <= days {
		return passed()
	}
	o := failed("The current material is in use for %d days, since %s (%s)", age, since.Format(time.DateOnly), what)
	if r, _ := k.Rotation.Get(); !r.Possible {
		o = o.otherwise()
	}
	return o
}

func unused(m *Moment, k *Key) Outcome {
	if o, ok := inUse(k); !ok {
		return o
	}
	a, ok := k.Activity.Get()
	if !ok {
		return unknown(k.Activity.Why())
	}
	limit := m.Now.AddDate(0, 0, -m.Unused)
	created, known := k.Created.Get()
	switch {
	case a.Used.After(limit) || known && created.After(limit):
		return passed()
	case !a.Used.IsZero():
		return failed("The key was last used on %s, %d days ago", a.Used.Format(time.DateOnly), m.days(a.Used))
	case a.Since.After(limit) && (!known || created.Before(a.Since)):
		return unknown("the audit log goes back to " + a.Since.Format(time.DateOnly) + " only")
	}
	return failed("Nobody has used the key since %s, when the log that was read begins", a.Since.Format(time.DateOnly))
}
