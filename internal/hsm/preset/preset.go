// Package preset has what is known of the PKCS #11 modules of HSM makers, as
// data.
//
// Start with All. The package is internal and may change with any release.
package preset

import (
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Preset is what is known of a maker's module, from the maker's public
// documentation. What is not Tested may be wrong, or have changed: the
// configuration overrides it.
type Preset struct {
	// Name is how the configuration names it.
	Name string
	// Maker and Product are for people.
	Maker, Product string
	// Modules are the paths at which the maker installs the library, in the
	// order in which they are tried.
	Modules []string
	// PIN says what a PIN looks like, where it is not one word.
	PIN string
	// Environment is what the module's process needs, where the configuration
	// does not say otherwise.
	Environment map[string]string
	// Workers is how many processes serve best; 0 is one.
	Workers int
	// Avoid are mechanisms that are listed and do not do what they should.
	Avoid []pkcs11.MechanismType
	// Omit are attributes that must not be in templates.
	Omit []pkcs11.AttributeType
	// Notes are what an operator has to know.
	Notes []string
	// Tested says that Holdfast's own tests run with it.
	Tested bool
	// Source names the documentation that the facts are from.
	Source string
}

// Find returns the first of the preset's paths at which there is a file; "" when there is none.
func (p *Preset) Find() string {
	for _, path := range p.Modules {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// Paths returns the preset's paths for a message.
func (p *Preset) Paths() string { return strings.Join(p.Modules, ", ") }
