package compliance

import "strings"

func fipsRules() []Rule {
	return []Rule{
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
