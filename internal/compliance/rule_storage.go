package compliance

import (
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
)

func storageRules() []Rule {
	return []Rule{
		{
			ID: "key-outside-hsm", Title: "A key that belongs in an HSM is not in one", Severity: Medium, Category: KeyStorage,
			Controls: []string{"PCI DSS 4.0 3.6.1.2", "PCI DSS 4.0 3.7.3", "NIST SP 800-57 pt 1 r5 6.2.2.3"},
			Advice:   "Make a new key in an HSM or a key service; of an authority, have a successor with it take the name over.",
			Mend:     map[Place]string{Holdfast: "holdfast key create --spec {spec} --usage {usage} --hsm {hsm} --region {region}"},
			key:      outsideHSM,
		},
		{
			ID: "key-exportable", Title: "A key's material may leave", Severity: Low, Category: KeyStorage,
			Controls: []string{"PCI DSS 4.0 3.6.1.4", "NIST SP 800-57 pt 1 r5 6.2.2.3"},
			Advice:   "Use keys that cannot be exported, unless somebody needs the material elsewhere.",
			Mend:     anew("{spec}", "{usage}"),
			key: func(_ *Moment, k *Key) Outcome {
				exportable, ok := k.Exportable.Get()
				switch {
				case k.Foreign:
					return exempt()
				case !ok:
					return unknown(k.Exportable.Why())
				case exportable:
					return failed("The key was made exportable, which stays so")
				}
				return passed()
			},
		},
		{
			ID: "root-key-in-the-clear", Title: "The root key lies in a file beside what it protects", Severity: Medium, Category: KeyStorage,
			Controls: []string{"PCI DSS 4.0 3.6.1.2"},
			Advice:   "Keep the root key under an HSM, in shares for people, or under a passphrase.",
			Mend:     map[Place]string{Holdfast: "holdfast seal rotate --data {directory} --seal passphrase"},
			installation: func(_ *Moment, i *Installation) Outcome {
				r, ok := i.Root.Get()
				switch {
				case !ok:
					return unknown(i.Root.Why())
				case r.Plain:
					return failed("The root key can be opened by: %s", strings.Join(r.Ways, ", "))
				}
				return passed()
			},
		},
		{
			ID: "no-hsm", Title: "There is neither an HSM nor a key service", Severity: Low, Category: KeyStorage,
			Controls: []string{"PCI DSS 4.0 3.6.1.2"},
			Advice:   "Configure an HSM or a key service for the keys that matter most.",
			Mend:     map[Place]string{Holdfast: "holdfast hsm test --module {module.so}"},
			installation: func(_ *Moment, i *Installation) Outcome {
				switch {
				case !i.DevicesKnown:
					return exempt() // a cloud's account
				case len(i.Devices) == 0:
					return failed("All keys are in software")
				}
				return passed()
			},
		},
	}
}

// belongs returns why a key has to be in an HSM, "" when nothing says so.
func belongs(m *Moment, k *Key) string {
	switch {
	case k.Authority != "":
		return "the key of an authority"
	case m.HSMTag.Key != "" && slices.Contains(k.Tags, m.HSMTag):
		return "tagged " + m.HSMTag.Key + "=" + m.HSMTag.Value
	case k.Type.Usage != 0 && slices.Contains(m.HSMUsages, k.Type.Usage):
		return "a key for " + k.Type.Usage.String()
	}
	return ""
}

func outsideHSM(m *Moment, k *Key) Outcome {
	why := belongs(m, k)
	if k.Foreign || why == "" {
		return exempt()
	}
	p, ok := k.Protection.Get()
	switch {
	case !ok:
		return unknown(k.Protection.Why())
	case p == key.HSM:
		return passed()
	case p == key.Software:
		return failed("%s, in software", strings.ToUpper(why[:1])+why[1:])
	}
	return unknown("the key is in a service that does not say that hardware keeps it")
}
