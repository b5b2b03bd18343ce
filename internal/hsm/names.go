package hsm

import (
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
)

// Whoever opens tokens needs these too, and imports one package for it.

// URI is a PKCS #11 URI (RFC 7512).
type URI = uri.URI

// ParseURI reads a URI without a PIN in it; what is not supported is refused by
// name.
func ParseURI(text string) (*URI, error) { return uri.Parse(text) }

// Preset is what is known of a maker's module.
type Preset = preset.Preset

// Presets returns what is known of makers' modules, sorted by name.
func Presets() []Preset { return preset.All() }
