package aws

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// KeyRef returns the key of a key id, key ARN, alias name or alias ARN. It is
// false for an ARN of something else.
func KeyRef(id string) (kms.Ref, bool) {
	switch {
	case strings.HasPrefix(id, kms.AliasPrefix):
		return kms.Ref{Alias: id}, true
	case !strings.HasPrefix(id, "arn:"):
		return kms.Ref{ID: key.ID(id)}, true
	}
	r, ok := wire.ParseResource(id)
	switch {
	case ok && r.Kind == key.KindKey:
		return kms.Ref{Realm: r.Realm, Region: r.Region, ID: key.ID(r.ID)}, true
	case ok && r.Kind == key.KindAlias:
		return kms.Ref{Realm: r.Realm, Region: r.Region, Alias: r.ID}, true
	}
	return kms.Ref{}, false
}
