package secret

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// KeyChoice is the key that is to seal a secret, and how the caller names it.
type KeyChoice struct {
	Ref  kms.Ref
	Text string
}

// settle returns the choice with its realm and region, the zero Ref for the
// provided key.
func (s *Service) settle(c *KeyChoice, x *Secret) (ref kms.Ref, text string) {
	if c == nil {
		return ref, ""
	}
	ref = c.Ref
	if ref.Realm == "" {
		ref.Realm, ref.Region = x.Realm, x.Region
	}
	if ref == (kms.Ref{Realm: x.Realm, Region: x.Region, Alias: s.Alias}) {
		return kms.Ref{}, ""
	}
	return ref, c.Text
}

// CreateRequest asks for a new secret.
type CreateRequest struct {
	Name, Description string
	// Key is nil for the provided key.
	Key  *KeyChoice
	Tags []key.Tag
	// Value is the first one, nil for none yet.
	Value *Value
	// Version is the id of the first version, "" for one of Holdfast's making. A
	// repetition with the same version and value gives what the first one made.
	Version string
}

// Result is a secret after a call, and the version that the call made or
// found, "" for none.
type Result struct {
	*Secret
	Given string
}

// Create makes a secret in the call's realm and region. The caller needs
// CreateSecret; TagSecret for tags; and, with a value, GenerateDataKey on the
// key that seals it.
func (s *Service) Create(ctx context.Context, call *key.Call, req *CreateRequest) (*Result, error) {
	return guard.Do(ctx, s.Guard, call, key.CreateSecret, func(v *guard.Visit) (*Result, error) {
		x, err := s.draft(call, req)
		if denied := admitCreation(v, req, x.Suffix); denied != nil {
			return nil, denied
		}
		if err != nil {
			return nil, err
		}
		defer s.lock(x.row())()
		if r, err := s.again(ctx, call, x, req); r != nil || err != nil {
			return r, err
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return s.insert(ctx, v, x, req)
	})
}

// draft checks a request and returns the secret that it asks for.
func (s *Service) draft(call *key.Call, req *CreateRequest) (*Secret, error) {
	now := s.Now().UTC()
	x := &Secret{
		Realm: call.Caller.Principal.Realm, Region: call.Region, Name: req.Name, Suffix: newSuffix(), Description: req.Description,
		CreatedAt: now, ChangedAt: now,
	}
	x.Key, x.KeyText = s.settle(req.Key, x)
	if err := CheckName(req.Name); err != nil {
		return x, err
	}
	if err := checkDescription(req.Description); err != nil {
		return x, err
	}
	if req.Value != nil {
		if err := req.Value.check(); err != nil {
			return x, err
		}
	}
	var err error
	x.Tags, err = key.MergeTags(nil, req.Tags)
	return x, err
}

// CheckName refuses what is no name of a secret: letters, digits and
// "/_+=.@!-".
func CheckName(name string) error {
	if name == "" || len(name) > MaxName || strings.Trim(name, letters+"/_+=.@!-") != "" {
		return fault.New(fault.InvalidArgument, "the name of a secret has 1 to %d letters, digits and characters of /_+=.@!-", MaxName)
	}
	return nil
}

func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > MaxDescription {
		return fault.New(fault.InvalidArgument, "the description of a secret has at most %d characters", MaxDescription)
	}
	return nil
}

// admitCreation asks whether the call may make such a secret; tags need their
// own permission.
func admitCreation(v *guard.Visit, req *CreateRequest, suffix string) error {
	p := v.Call.Caller.Principal
	named := key.Resource{Kind: key.KindSecret, Realm: p.Realm, Region: v.Call.Region, ID: req.Name}
	made := named
	made.ID += "-" + suffix
	t := guard.Target{
		Action: key.TagSecret, Resource: made, Lasting: &named,
		Attributes: &policy.Attributes{
			Tags: req.Tags, Secret: &policy.Secret{Name: req.Name, Description: req.Description, Key: req.Key.text()},
		},
	}
	if len(req.Tags) > 0 {
		if err := v.Authorize(t); err != nil {
			return err
		}
	}
	t.Action = key.CreateSecret
	return v.Authorize(t)
}

func (c *KeyChoice) text() string {
	if c == nil {
		return ""
	}
	return c.Text
}

// again returns what a repeated request made the first time, nil for a new
// one. A name that is taken is an error.
func (s *Service) again(ctx context.Context, call *key.Call, x *Secret, req *CreateRequest) (*Result, error) {
	var have *Secret
	full := false
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		if have, err = s.read(r, x.Realm, x.Region, x.Name); have != nil || err != nil {
			return err
		}
		n, err := r.Count(store.Secrets, store.Query{Column: "scope", Equal: scopeOf(x.Realm, x.Region)})
		full = n >= MaxSecrets
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case full:
		return nil, fault.New(fault.LimitExceeded, "a realm has at most %d secrets in a region", MaxSecrets)
	case have == nil:
		return nil, nil //nolint:nilnil // a new one, as documented
	case have.deleted():
		return nil, have.refuseDeleted()
	}
	if _, ok := have.Version(req.Version); ok && req.Value != nil {
		if same, err := s.same(ctx, call, have, req.Version, req.Value); same || err != nil {
			return &Result{have, req.Version}, err
		}
	}
	return nil, &fault.Error{
		Kind: fault.AlreadyExists, Resource: have.Resource().String(), Public: "the secret " + x.Name + " already exists",
	}
}

// same reports whether a version has a value.
func (s *Service) same(ctx context.Context, call *key.Call, x *Secret, version string, value *Value) (bool, error) {
	have, err := s.open(ctx, call, x, version)
	if err != nil {
		return false, err
	}
	defer have.Wipe()
	return have.equal(value), nil
}

// insert seals the value of a new secret, if it has one, and stores both.
func (s *Service) insert(ctx context.Context, v *guard.Visit, x *Secret, req *CreateRequest) (*Result, error) {
	v.Note("name", x.Name)
	if req.Value == nil {
		return &Result{x, ""}, s.put(ctx, v, x, nil)
	}
	id, err := newVersion(req.Version)
	if err != nil {
		return nil, err
	}
	also, err := s.give(ctx, v, x, id, req.Value, []Stage{Current})
	if err != nil {
		return nil, err
	}
	return &Result{x, id}, s.put(ctx, v, x, also)
}
