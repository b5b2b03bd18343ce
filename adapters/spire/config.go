package spire

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/token"

	"github.com/holdfast-kms/holdfast"
)

// config is what the plug-in's configuration says, in HCL. The package's
// documentation has its settings.
type config struct {
	// Place is the URI of where the keys are to be, such as "holdfast:///",
	// "awskms:///?region=eu-central-1" or "pkcs11:token=spire".
	Place string `hcl:"place"`
	// KeysFile is the path of the file that says which key is whose. It is made
	// with the first key. SPIRE makes new keys when it is lost.
	KeysFile string `hcl:"keys_file"`
	// Prefix begins the names of the keys: 1 to 20 letters, digits and hyphens.
	// Without it that is "spire-".
	Prefix string `hcl:"prefix"`
	// DeletionDays is how long a Holdfast server waits until it deletes a key
	// that was replaced: 7 to 30, in days. Without it that is 7.
	DeletionDays int `hcl:"deletion_days"`

	Unknown map[string][]token.Pos `hcl:",unusedKeyPositions"`
}

const (
	defaultPrefix       = "spire-"
	defaultDeletionDays = 7
	maxDeletionDays     = 30
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,20}$`)

// parseConfig reads and checks a configuration.
func parseConfig(text string) (*config, error) {
	c := &config{Prefix: defaultPrefix, DeletionDays: defaultDeletionDays}
	if err := hcl.Decode(c, text); err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	switch {
	case len(c.Unknown) > 0:
		return nil, fmt.Errorf("there is no such setting: %s", strings.Join(slices.Sorted(maps.Keys(c.Unknown)), ", "))
	case c.Place == "":
		return nil, errors.New("place is missing: the URI of where the keys are to be, such as holdfast:///")
	case c.KeysFile == "":
		return nil, errors.New("keys_file is missing: the path of the file that says which key is whose")
	case !prefixForm.MatchString(c.Prefix):
		return nil, errors.New("prefix is not 1 to 20 letters, digits and hyphens")
	case c.DeletionDays < defaultDeletionDays || c.DeletionDays > maxDeletionDays:
		return nil, fmt.Errorf("deletion_days is not %d to %d", defaultDeletionDays, maxDeletionDays)
	}
	u, err := holdfast.ParseURI(c.Place)
	if err != nil {
		return nil, fmt.Errorf("place: %w", err)
	}
	if strings.Contains(c.Place, "pin-value") {
		return nil, errors.New("place: a PIN does not belong into a configuration: use pin-source, or the variable " + holdfast.PINVariable)
	}
	c.Place = u.String()
	return c, nil
}
