package pkcs11

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
)

var (
	_ engine.Maker  = (*Engine)(nil)
	_ engine.Lister = (*Engine)(nil)
)

// nameOf returns the URI by which Adopt finds an object.
func nameOf(label string, id []byte) string {
	return (&pkcs11uri.URI{Object: label, ID: id}).String()
}

// Make makes a key with a label, or with what a PKCS #11 URI says: an object's
// label, and its id if there is one. Without one the id is random. The name that
// it returns is the URI of both. A token would take several keys of one label:
// one that is taken by a key is AlreadyExists, as far as that can be seen before.
func (e *Engine) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	const op = "engine/pkcs11.Make"
	a, err := e.able(ctx)
	if err != nil {
		return "", e.failure(op, err)
	}
	if !a.makes(kind.Spec, kind.Usage) {
		return "", unsupported(kind.Spec, kind.Usage)
	}
	r, err := a.namedReference(name, kind)
	if err != nil {
		return "", err
	}
	others, err := e.place.Find(ctx, hsm.Query{Label: r.Label})
	if err != nil {
		return "", e.failure(op, err)
	}
	for _, o := range others {
		if o.Class == pkcs11.ClassPrivateKey || o.Class == pkcs11.ClassSecretKey {
			return "", fault.New(fault.AlreadyExists, "%q has a key labelled %q already", e.Name(), r.Label)
		}
	}
	err = e.place.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		_, err := a.generate(ctx, s, r, kind)
		return err
	})
	if err != nil && len(r.ID) > 0 { // by its label alone, another's key might be ended
		e.abandon(ctx, r)
	}
	return nameOf(r.Label, r.ID), e.failure(op, err)
}

// namedReference returns the reference of a key that is about to be made by a
// name.
func (a *able) namedReference(name string, kind engine.Kind) (*reference, error) {
	u := &pkcs11uri.URI{Object: name}
	if strings.HasPrefix(name, "pkcs11:") {
		var err error
		if u, err = pkcs11uri.Parse(name); err != nil {
			return nil, err
		}
	}
	switch {
	case u.Object == "" || len(u.Object) > 128:
		return nil, fault.New(fault.InvalidArgument, "a new key needs a label (object) of at most 128 bytes")
	case strings.HasPrefix(u.Object, labelPrefix):
		return nil, fault.New(fault.InvalidArgument, "labels that begin with %q are given by Holdfast itself", labelPrefix)
	}
	r := &reference{ID: u.ID, Label: u.Object, Class: pkcs11.ClassPrivateKey, Usages: []string{kind.Usage.String()}}
	if kind.Spec.Symmetric() {
		r.Class = pkcs11.ClassSecretKey
	}
	switch {
	case a.omits(pkcs11.AttrID):
		r.ID = nil
	case len(r.ID) == 0:
		r.ID = make([]byte, 16)
		_, _ = rand.Read(r.ID) // never fails
	}
	return r, nil
}

// listLimit is how many objects a list looks at.
const listLimit = 10_000

// List returns all private and secret keys of the token, on one page.
func (e *Engine) List(ctx context.Context, _ string) ([]engine.Listed, string, error) {
	const op = "engine/pkcs11.List"
	a, err := e.able(ctx)
	if err != nil {
		return nil, "", e.failure(op, err)
	}
	var keys []engine.Listed
	for _, class := range []pkcs11.Class{pkcs11.ClassPrivateKey, pkcs11.ClassSecretKey} {
		found, err := e.place.Find(ctx, hsm.Query{Class: &class, Limit: listLimit})
		if err != nil {
			return nil, "", e.failure(op, err)
		}
		for i := range found {
			keys = append(keys, a.listed(&found[i]))
		}
	}
	return keys, "", nil
}

// listed returns what a key of the token is.
func (a *able) listed(f *hsm.Found) engine.Listed {
	l := engine.Listed{
		Name: nameOf(f.Label, f.ID), Type: pkcs11.TypeName(f.Type), Condition: engine.Usable, Made: strings.HasPrefix(f.Label, labelPrefix),
	}
	if kind, _, err := a.adopted(f); err == nil {
		l.Kind = kind
	} else if !l.Made {
		l.Kind.Spec = alg.NoSpec
	}
	return l
}
