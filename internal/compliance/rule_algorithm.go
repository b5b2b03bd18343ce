package compliance

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Until when 112 bits of strength may protect anything new (NIST SP 800-57
// part 1 revision 5, table 4: "through 2030"), and until when NIST means to
// allow algorithms that quantum computers break (NIST IR 8547, initial public
// draft, tables 2 and 4: disallowed after 2035).
const (
	last112     = 2030
	lastClassic = 2035
)

// endOf returns the first moment after a year.
func endOf(year int) time.Time { return time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC) }

func algorithmRules() []Rule {
	better, signing := anew("{stronger}", "{usage}"), anew("ML_DSA_87", "SIGN_VERIFY")
	encrypting := anew("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	return []Rule{
		{
			ID: "key-weak", Title: "A key has less than 112 bits of strength", Severity: High, Category: Algorithms,
			Controls: []string{"NIST SP 800-57 pt 1 r5 5.6.3 table 4", "NIST SP 800-131A r2", "PCI DSS 4.0 3.7.1"},
			Advice:   "Have a stronger key take its place: RSA of 2,048 bits is the least, P-256 and AES-256 are better.",
			Mend:     better, key: weak,
		},
		{
			ID: "key-112-bits", Title: "A key has 112 bits of strength, which are enough through 2030 only", Severity: Low, Category: Algorithms,
			Controls: []string{"NIST SP 800-57 pt 1 r5 5.6.3 table 4", "NIST IR 8547 ipd 4.1"},
			Advice:   "Plan a key of 128 bits or more, such as RSA of 3,072 bits or P-256, or a post-quantum one. From 2031 on the finding is HIGH.",
			Mend:     better, key: until2030,
		},
		{
			ID: "pq-confidentiality", Title: "Secrets are exchanged by an algorithm that a quantum computer breaks", Severity: Medium, Category: Algorithms,
			Controls: []string{"NIST IR 8547 ipd 4.1 table 4", "PCI DSS 4.0 12.3.3"},
			Advice:   "What is recorded today can be read later: encrypt what stays secret beyond 2035 under symmetric keys.",
			Mend:     encrypting, key: exchange,
		},
		{
			ID: "pq-signature", Title: "A key signs by an algorithm that a quantum computer breaks", Severity: Low, Category: Algorithms,
			Controls: []string{"NIST IR 8547 ipd 4.1 table 2", "PCI DSS 4.0 12.3.3"},
			Advice:   "Plan an ML-DSA key (FIPS 204) for what has to be believed beyond 2035.",
			Mend:     signing, key: signature,
		},
		{
			ID: "cnsa2-algorithm", Title: "A key is of no algorithm of CNSA 2.0", Severity: Low, Category: Algorithms,
			Controls: []string{"CNSA 2.0"},
			Advice:   "Of the types here, national security systems use AES-256 and ML-DSA-87, and hash with SHA-384 or SHA-512.",
			Mend:     encrypting, Otherwise: signing, key: cnsa,
		},
	}
}

// stronger returns a spec of 128 bits of strength or more that takes the place
// of a weaker type, in the words of commands.
func stronger(t Type) string {
	switch {
	case t.Usage == alg.SignVerify || t.Usage == alg.KeyAgreement:
		return "ECC_NIST_P256"
	case t.Usage == alg.GenerateVerifyMAC:
		return "HMAC_256"
	case t.Family == alg.RSA:
		return "RSA_3072"
	}
	return "SYMMETRIC_DEFAULT"
}

// typed judges the type of a key in use.
func typed(k *Key, judge func(Type) Outcome) Outcome {
	state, ok := k.State.Get()
	switch {
	case k.Foreign || ok && state == key.PendingDeletion:
		return exempt()
	case k.Type.Family == 0:
		return unknown("the type " + k.Type.Name + " is not known here")
	}
	return judge(k.Type)
}

func weak(_ *Moment, k *Key) Outcome {
	return typed(k, func(t Type) Outcome {
		if s := t.strength(); s < 112 {
			return failed("%s has %d bits of strength", t.Name, s)
		}
		return passed()
	})
}

func until2030(m *Moment, k *Key) Outcome {
	return typed(k, func(t Type) Outcome {
		switch s := t.strength(); {
		case s < 112:
			return exempt() // key-weak
		case s >= 128:
			return passed()
		case !m.Now.Before(endOf(last112)):
			return failed("%s has 112 bits of strength, and %d is over", t.Name, last112).as(High)
		}
		return failed("%s has 112 bits of strength", t.Name)
	})
}

func exchange(m *Moment, k *Key) Outcome {
	return typed(k, func(t Type) Outcome {
		switch {
		case t.Usage == alg.NoUsage && t.quantum():
			return unknown("the place does not tell what the key is for")
		case t.Usage == alg.SignVerify || !t.quantum() && t.Usage == alg.GenerateVerifyMAC:
			return exempt()
		case !t.quantum():
			return passed()
		}
		return afterwards(m, failed("%s for %s", t.Name, t.Usage))
	})
}

func signature(m *Moment, k *Key) Outcome {
	return typed(k, func(t Type) Outcome {
		switch {
		case t.Usage == alg.NoUsage && t.quantum():
			return unknown("the place does not tell what the key is for")
		case t.Usage != alg.SignVerify:
			return exempt()
		case !t.quantum():
			return passed()
		}
		return afterwards(m, failed("%s for %s", t.Name, t.Usage))
	})
}

// afterwards makes a finding about the quantum threat worse once its time is
// over.
func afterwards(m *Moment, o Outcome) Outcome {
	if !m.Now.Before(endOf(lastClassic)) {
		return o.as(High)
	}
	return o
}

// cnsa judges by the suite's table (NSA, "The Commercial National Security
// Algorithm Suite 2.0 and Quantum Computing FAQ", version 2.1). It does not
// name HMAC: that its hashes count for HMAC is our reading.
func cnsa(_ *Moment, k *Key) Outcome {
	return typed(k, func(t Type) Outcome {
		fits := t.Family == alg.AES && t.Bits == 256 || t.Family == alg.MLDSA && t.Bits == 256 ||
			t.Family == alg.HMAC && slices.Contains([]int{384, 512}, t.Bits)
		if fits {
			return passed()
		}
		o := failed("%s is not of CNSA 2.0", t.Name)
		o.Otherwise = t.Usage == alg.SignVerify
		return o
	})
}
