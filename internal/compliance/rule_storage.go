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
		{
			ID: "fips-mode-off", Title: "Cryptography does not run in FIPS 140-3 mode", Severity: Medium, Category: KeyStorage,
			Controls:     []string{"FIPS 140-3", "NIST SP 800-53 r5 SC-13"},
			Advice:       "Start a server that was built with GOFIPS140 with GODEBUG=fips140=on.",
			Mend:         map[Place]string{Holdfast: "GODEBUG=fips140=on holdfast server --config {config.yaml}"},
			installation: fipsMode,
		},
		{
			ID: "fips-module-not-frozen", Title: "The cryptographic module is not a frozen version", Severity: Low, Category: KeyStorage,
			Controls: []string{"FIPS 140-3"},
			Advice:   "Build with GOFIPS140 set to a version of the Go Cryptographic Module that the CMVP lists.",
			Mend:     map[Place]string{Holdfast: "GOFIPS140=v1.0.0 go build ./cmd/holdfast"},
			installation: func(_ *Moment, i *Installation) Outcome {
				f, ok := i.FIPS.Get()
				switch {
				case !ok:
					return unknown(i.FIPS.Why())
				case f.Module == "" || f.Module == "latest":
					return failed("The module is of Go's own source, not a frozen version")
				}
				return passed()
			},
		},
		{
			ID: "fips-hsm-mode", Title: "An HSM or key service is not in FIPS 140-3 mode", Severity: Medium, Category: KeyStorage,
			Controls:     []string{"FIPS 140-3"},
			Advice:       "Switch the device to the mode of its certificate.",
			Mend:         map[Place]string{Holdfast: "holdfast hsm show {hsm}"},
			installation: deviceModes,
		},
	}
}

func fipsMode(_ *Moment, i *Installation) Outcome {
	f, ok := i.FIPS.Get()
	switch {
	case !ok:
		return unknown(i.FIPS.Why())
	case !f.Enabled:
		return failed("FIPS 140-3 mode is off; the module is %s", f.Module)
	}
	return passed()
}

// NotFIPS is the mode of a device that says that it is in none of FIPS.
const NotFIPS = "not FIPS"

func deviceModes(_ *Moment, i *Installation) Outcome {
	if len(i.Devices) == 0 {
		return exempt()
	}
	var wrong, silent []string
	for _, d := range i.Devices {
		mode, ok := d.Mode.Get()
		switch {
		case !ok:
			silent = append(silent, d.Name+" ("+d.Mode.Why()+")")
		case mode == NotFIPS:
			wrong = append(wrong, d.Name)
		}
	}
	switch {
	case len(wrong) > 0:
		return failed("Not in FIPS mode: %s", strings.Join(wrong, ", "))
	case len(silent) > 0:
		return unknown("no answer from " + strings.Join(silent, ", "))
	}
	return passed()
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
