package ceremony

import (
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// check checks the script as a whole, then each step.
func (s *Script) check() error {
	switch {
	case s.Version != ScriptVersion:
		return fault.New(fault.InvalidArgument, "the script's version is %d: this program reads version %d", s.Version, ScriptVersion)
	case !regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`).MatchString(s.Ceremony) || s.Ceremony == dataFolder:
		return fault.New(fault.InvalidArgument, "the ceremony's name %q is not of lower-case letters, digits and \"-\"", s.Ceremony)
	case blank(s.Operator) || len(s.Witnesses) == 0:
		return fault.New(fault.InvalidArgument, "a ceremony has an operator and at least one witness")
	case len(s.Steps) == 0:
		return fault.New(fault.InvalidArgument, "the script has no steps")
	}
	present := map[string]bool{s.Operator: true}
	for _, w := range s.Witnesses {
		if blank(w) || present[w] {
			return fault.New(fault.InvalidArgument, "the witness %q has no name, comes twice or is the operator", w)
		}
		present[w] = true
	}
	if err := s.checkSteps(); err != nil {
		return err
	}
	return s.checkSigner()
}

func blank(name string) bool { return strings.TrimSpace(name) != name || name == "" }

func (s *Script) checkSteps() error {
	files := map[string]bool{}
	for i := range s.Steps {
		step := &s.Steps[i]
		opens := step.Initialise != nil || step.Open != nil
		err := step.action.check()
		switch {
		case opens && i > 0:
			err = fault.New(fault.InvalidArgument, "initialise and open are only the first step")
		case !opens && i == 0:
			err = fault.New(fault.InvalidArgument, "the first step is initialise, or open where the data directory exists")
		}
		for _, name := range step.action.outputs() {
			if err == nil && files[name] {
				err = fault.New(fault.InvalidArgument, "the file %q is written twice", name)
			}
			files[name] = true
		}
		if err != nil {
			return at(step.line, err)
		}
	}
	return nil
}

// at says on which line something is wrong.
func at(line int, err error) error {
	text := err.Error()
	if f, ok := errors.AsType[*fault.Error](err); ok {
		text = f.Public
	}
	return fault.New(fault.InvalidArgument, "line %d: %s", line, text)
}

// checkSigner finds out under which root the transcript is signed.
func (s *Script) checkSigner() error {
	if s.SignedBy != "" {
		return nil
	}
	var roots []string
	for i := range s.Steps {
		if r := s.Steps[i].Root; r != nil {
			roots = append(roots, r.Name)
		}
	}
	if len(roots) != 1 {
		return fault.New(fault.InvalidArgument, "the script makes %d roots: name the one under which the transcript is signed with signed_by", len(roots))
	}
	s.SignedBy = roots[0]
	return nil
}

// checkOutput refuses a file's name that is none, or leads elsewhere.
func checkOutput(what, name string) error {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") || name == scriptFile || name == transcriptFile {
		return fault.New(fault.InvalidArgument, "%s: %q is not the name of a file in the ceremony's own folder", what, name)
	}
	return nil
}

// maxDays is the longest validity of a root in days; nobody signs for longer.
const maxDays = 30 * 365

func checkDays(days int) error {
	if days < 1 || days > maxDays {
		return fault.New(fault.InvalidArgument, "days: %d is not between 1 and %d", days, maxDays)
	}
	return nil
}

func required(names ...string) error {
	for i := 0; i+1 < len(names); i += 2 {
		if names[i+1] == "" {
			return fault.New(fault.InvalidArgument, "%s is missing", names[i])
		}
	}
	return nil
}

func (a *Initialise) check() error {
	switch a.Seal {
	case "", "passphrase", "file":
		return nil
	}
	return fault.New(fault.InvalidArgument, "seal: %q is not passphrase or file", a.Seal)
}

func (a *Open) check() error { return nil }

func (a *Key) check() error {
	if err := required("alias", a.Alias, "spec", a.Spec); err != nil {
		return err
	}
	if _, err := parseSpec(a.Spec); err != nil {
		return err
	}
	return nil
}

func (a *Root) check() error {
	if err := required("name", a.Name, "key", a.Key, "subject.common_name", a.Subject.CommonName); err != nil {
		return err
	}
	if a.Algorithm != "" {
		if algorithm, err := parseAlgorithm(a.Algorithm); err != nil || algorithm.Info().Usage != alg.SignVerify {
			return fault.New(fault.InvalidArgument, "algorithm: %q is no algorithm for signing", a.Algorithm)
		}
	}
	return errors.Join(checkDays(a.Days), a.Constraints.check(), checkOutput("certificate", a.Certificate))
}

func (a *Sign) check() error {
	if err := required("authority", a.Authority, "csr", a.CSR); err != nil {
		return err
	}
	if a.SHA256 != "" && !regexp.MustCompile(`^[0-9a-fA-F]{64}$`).MatchString(a.SHA256) {
		return fault.New(fault.InvalidArgument, "csr_sha256: %q is not 64 hexadecimal digits", a.SHA256)
	}
	if a.Chain != "" {
		if err := checkOutput("chain", a.Chain); err != nil {
			return err
		}
	}
	return errors.Join(checkDays(a.Days), a.Constraints.check(), checkOutput("certificate", a.Certificate))
}

func (a *Revoke) check() error {
	return required("authority", a.Authority, "serial", a.Serial, "reason", a.Reason)
}

func (a *CRL) check() error {
	return errors.Join(required("authority", a.Authority), checkDays(a.Days), checkOutput("file", a.File))
}

func (n *Constraints) check() error {
	if n == nil {
		return nil
	}
	for _, set := range []NameSet{n.Permitted, n.Excluded} {
		for _, text := range set.IP {
			if _, _, err := net.ParseCIDR(text); err != nil {
				return fault.New(fault.InvalidArgument, "name_constraints: %q is no range of addresses such as 10.0.0.0/8", text)
			}
		}
	}
	return nil
}

func (a *Initialise) outputs() []string { return nil }
func (a *Open) outputs() []string       { return nil }
func (a *Key) outputs() []string        { return nil }
func (a *Root) outputs() []string       { return []string{a.Certificate} }
func (a *Revoke) outputs() []string     { return nil }
func (a *CRL) outputs() []string        { return []string{a.File} }

func (a *Sign) outputs() []string {
	if a.Chain == "" {
		return []string{a.Certificate}
	}
	return []string{a.Certificate, a.Chain}
}
