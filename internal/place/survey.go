package place

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// places are whose commands mend what is wrong in a place, by its scheme.
var places = map[string]compliance.Place{
	SchemeAWS: compliance.AWS, SchemeAzure: compliance.Azure, SchemeGoogle: compliance.Google, SchemeVault: compliance.Vault,
}

// Survey gives the facts of the keys in a key service, which a URI names: all
// that an account tells itself (compliance.Account), and else what its list of
// keys tells.
func Survey(ctx context.Context, u *URI, set *Settings, to compliance.Facts) (err error) {
	if _, ok := places[u.Scheme]; !ok {
		return fault.New(fault.Unsupported, "only key services can be looked at by their URIs: %s, %s, %s and %s", SchemeAWS, SchemeAzure, SchemeGoogle, SchemeVault)
	}
	p, err := Connect(ctx, Of(u), set)
	if err != nil {
		return err
	}
	defer func() {
		if closed := p.Close(); err == nil {
			err = closed
		}
	}()
	over, ok := p.(*enginePlace)
	if !ok {
		return fault.New(fault.Unsupported, "the keys of %s cannot be listed", u)
	}
	if account, ok := over.engine.(compliance.Account); ok {
		return account.Survey(ctx, to)
	}
	return list(ctx, over.engine, u, to)
}

// list gives the facts that a list of keys has.
func list(ctx context.Context, from engine.Lister, u *URI, to compliance.Facts) error {
	for page := ""; ; {
		keys, next, err := from.List(ctx, page)
		if err != nil {
			return err
		}
		for i := range keys {
			to.Key(factsOf(&keys[i], places[u.Scheme]))
		}
		if page = next; page == "" {
			return nil
		}
	}
}

// The reasons of what lists do not have.
const (
	noPolicy = "who may use the key is not in the service's list of keys"
	noUse    = "when the key was used is not in the service's list of keys"
)

// factsOf returns what a list tells of a key.
func factsOf(l *engine.Listed, at compliance.Place) *compliance.Key {
	facts := &compliance.Key{
		Place: at, Resource: l.Name, ID: l.Name, Type: compliance.Type{Name: l.Type},
		Policy: compliance.Unknown[[]compliance.Statement](noPolicy), Activity: compliance.Unknown[compliance.Activity](noUse),
		Both: compliance.Unknown[[]string](noPolicy),
	}
	if l.Kind.Spec != alg.NoSpec {
		facts.Type = compliance.TypeOf(l.Kind.Spec, l.Kind.Usage)
	}
	if at != compliance.Azure { // whose keys may be released, which the list does not tell
		facts.Exportable = compliance.Known(l.Kind.Exportable)
	}
	switch l.Condition {
	case engine.Usable:
		facts.State = compliance.Known(key.Enabled)
	case engine.Disabled:
		facts.State = compliance.Known(key.Disabled)
	case engine.Deleted:
		facts.State = compliance.Known(key.PendingDeletion)
	case engine.Unusable, engine.Gone:
	}
	facts.Created, facts.Renewed = moment(l.Created), moment(l.Renewed)
	if l.Protection != "" {
		facts.Protection = compliance.Known(l.Protection)
	}
	if l.Rotation != nil {
		facts.Rotation = compliance.Known(compliance.Rotation{
			Possible: facts.Type.Family == alg.AES, Enabled: *l.Rotation > 0, Days: int(*l.Rotation / (24 * time.Hour)),
		})
	}
	return facts
}

// moment returns a time that is known unless it is zero.
func moment(t time.Time) compliance.Fact[time.Time] {
	if t.IsZero() {
		return compliance.Fact[time.Time]{}
	}
	return compliance.Known(t)
}
