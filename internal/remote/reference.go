package remote

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// NamePrefix begins the names of the keys that engines make in a service.
const NamePrefix = "holdfast-"

// KeyName returns the name in a service of a key that is made for a version of
// one here, such as "holdfast-5f0c…-1". Each version is a key of its own there:
// not every service can end one version of a key and keep the others, and making
// a key under a name of its own can be tried again without making two.
func KeyName(ref engine.Ref) string {
	return NamePrefix + string(ref.ID) + "-" + strconv.FormatUint(uint64(ref.Version), 10)
}

// Loopback reports whether a host name is of this machine alone, so that what
// is sent there needs no TLS.
func Loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Made reports whether a name is one that KeyName gives: that of a key which a
// Holdfast made.
func Made(name string) bool {
	rest, ok := strings.CutPrefix(name, NamePrefix)
	at := strings.LastIndexByte(rest, '-')
	if !ok || at < 1 {
		return false
	}
	n, err := strconv.ParseUint(rest[at+1:], 10, 32)
	return err == nil && n > 0 && len(rest[:at]) == 36 && uuid.Validate(rest[:at]) == nil
}

// Reference is which key of a service a version is, and what it may do. It is
// kept as JSON in an engine.Box; fields may be added.
type Reference struct {
	// Name is the key in the service's own words (an ARN, a resource name), and
	// Version the service's own version of it; "" where it has none, or where the
	// service chooses.
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Type is what the key is in the service's own words, where Usages and
	// Algorithms do not tell all that its engine must know.
	Type string `json:"type,omitempty"`
	// Usages and Algorithms are what the key does there, by the names of package
	// alg.
	Usages     []string `json:"usages"`
	Algorithms []string `json:"algorithms"`
	// Adopted keys are somebody else's: they are used and never changed.
	Adopted bool `json:"adopted,omitempty"`
	// Public is the SubjectPublicKeyInfo, so that opening a key asks nobody.
	Public []byte `json:"public,omitempty"`
}

// Does sets what the key does there.
func (r *Reference) Does(usages []alg.Usage, algorithms []alg.Algorithm) {
	r.Usages, r.Algorithms = nil, nil
	for _, u := range usages {
		r.Usages = append(r.Usages, u.String())
	}
	for _, a := range algorithms {
		r.Algorithms = append(r.Algorithms, a.String())
	}
}

// algorithms returns those that the key has.
func (r *Reference) algorithms() []alg.Algorithm {
	var list []alg.Algorithm
	for _, name := range r.Algorithms {
		if a := alg.ParseAlgorithm(name); slices.Contains(r.Usages, a.Info().Usage.String()) {
			list = append(list, a)
		}
	}
	return list
}

// Allows refuses an algorithm that the key does not have: by its usage
// (InvalidArgument), or by itself (Unsupported).
func (r *Reference) Allows(a alg.Algorithm) error {
	if !slices.Contains(r.Usages, a.Info().Usage.String()) {
		return fault.Because(fault.InvalidArgument, fault.WrongUsage, "the key is not for %q", a.Info().Usage)
	}
	if !slices.Contains(r.Algorithms, a.String()) {
		return fault.New(fault.Unsupported, "the key does not have algorithm %s where it lives", a)
	}
	return nil
}

// Box returns what seals references of one kind of engine: label is its name,
// such as "awskms".
func Box(w engine.Wrapper, label string) engine.Box {
	return engine.Box{Wrapper: w, Label: "holdfast/" + label + "/reference", Version: 1}
}

// Seal returns a reference as material.
func Seal(b engine.Box, ref engine.Ref, spec alg.Spec, r *Reference) (engine.Material, error) {
	wrapped, err := b.SealJSON(ref, spec, r)
	return engine.Material{Wrapped: wrapped, Public: r.Public}, err
}

// Unseal reads material.
func Unseal(b engine.Box, ref engine.Ref, spec alg.Spec, wrapped []byte) (*Reference, error) {
	r := &Reference{}
	return r, b.OpenJSON(ref, spec, wrapped, r)
}
