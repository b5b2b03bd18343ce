package native

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// managed returns the id of the managed certificate that the path names.
func (r *request) managed() string { return r.http.PathValue("managed") }

func (f *Front) requestManaged(ctx context.Context, r *request, req *wire.RequestManagedRequest) (*wire.Managed, error) {
	ask := &managed.Request{
		Authority: req.Authority, Domain: req.Domain, Names: req.Names, KeyStays: req.KeyStays, Tags: tagsIn(req.Tags), Token: req.Token,
	}
	if err := required("authority", req.Authority); err != nil {
		return nil, err
	}
	if req.Spec != "" {
		spec, err := specOf(req.Spec)
		if err != nil {
			return nil, err
		}
		ask.Spec = spec
	}
	return managedOut(f.Managed.Request(ctx, r.call, ask))
}

func (f *Front) importManaged(ctx context.Context, r *request, req *wire.ImportManagedRequest) (*wire.Managed, error) {
	ask := &managed.Import{ID: req.ID, Exportable: req.Exportable, Tags: tagsIn(req.Tags)}
	var err error
	if ask.Certificate, err = oneCertificate("certificate", req.Certificate); err != nil {
		return nil, err
	}
	if req.Chain != "" {
		if ask.Chain, err = keystore.ParseCertificates("the member \"chain\"", []byte(req.Chain)); err != nil {
			return nil, err
		}
	}
	if ask.Key, err = keystore.ParseKey([]byte(req.PrivateKey)); err != nil {
		return nil, err
	}
	defer clear(ask.Key)
	return managedOut(f.Managed.Import(ctx, r.call, ask))
}

func (f *Front) listManaged(ctx context.Context, r *request, _ *wire.None) (*wire.ManagedList, error) {
	page, err := r.page()
	if err != nil {
		return nil, err
	}
	list := managed.List{Page: page}
	if state := r.param("state"); state != "" {
		list.Filter.States = []managed.State{managed.State(state)}
	}
	all, next, err := f.Managed.List(ctx, r.call, list)
	if err != nil {
		return nil, err
	}
	out := &wire.ManagedList{Managed: make([]wire.Managed, len(all)), Next: next}
	for i, c := range all {
		one, err := managedOut(c, nil)
		if err != nil {
			return nil, err
		}
		out.Managed[i] = *one
	}
	return out, nil
}

func (f *Front) describeManaged(ctx context.Context, r *request, _ *wire.None) (*wire.Managed, error) {
	return managedOut(f.Managed.Describe(ctx, r.call, r.managed()))
}

func (f *Front) exportManaged(ctx context.Context, r *request, req *wire.ExportManagedRequest) (*wire.ExportedManaged, error) {
	if len(req.Passphrase) < minPassphrase {
		return nil, fault.New(fault.InvalidArgument, "the member %q has at least %d bytes", "passphrase", minPassphrase)
	}
	x, err := f.Managed.Export(ctx, r.call, r.managed())
	if err != nil {
		return nil, err
	}
	defer x.PrivateKey.Wipe()
	key, err := keystore.EncryptKey(x.PrivateKey.Reveal(), []byte(req.Passphrase), keystore.PBKDF2)
	if err != nil {
		return nil, err
	}
	return &wire.ExportedManaged{Certificate: pemOf(x.DER), Chain: pemOf(x.Chain...), PrivateKey: string(key)}, nil
}

// minPassphrase is the shortest passphrase that encrypts a key, in bytes.
const minPassphrase = 4

func (f *Front) renewManaged(ctx context.Context, r *request, _ *wire.None) (*wire.Managed, error) {
	return managedOut(f.Managed.Renew(ctx, r.call, r.managed()))
}

func (f *Front) revokeManaged(ctx context.Context, r *request, req *wire.RevokeRequest) (*wire.Managed, error) {
	reason, err := reasonOf(req.Reason)
	if err != nil {
		return nil, err
	}
	return managedOut(f.Managed.Revoke(ctx, r.call, r.managed(), reason))
}

func (f *Front) deleteManaged(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	return nil, f.Managed.Delete(ctx, r.call, r.managed())
}

func (f *Front) tagManaged(ctx context.Context, r *request, req *wire.TagRequest) (*wire.Managed, error) {
	return managedOut(f.Managed.Tag(ctx, r.call, r.managed(), tagsIn(req.Tags)))
}

func (f *Front) untagManaged(ctx context.Context, r *request, _ *wire.None) (*wire.Managed, error) {
	keys := r.http.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "key")
	}
	tags := make([]managed.Untag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	return managedOut(f.Managed.Untag(ctx, r.call, r.managed(), tags))
}

// managedOut puts a managed certificate into the API's shape.
func managedOut(c *managed.Certificate, err error) (*wire.Managed, error) {
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := &wire.Managed{
		ID: c.ID, Realm: string(c.Realm), Region: c.Region, Kind: string(c.Kind), Authority: c.Authority, Domain: c.Domain, Names: c.Names,
		KeyID: string(c.Key), Spec: aws.SpecName(c.Spec), State: string(c.State(now)), Failure: string(c.Failure), Serial: c.Serial,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, CreatedAt: c.CreatedAt, RevokedAt: c.RevokedAt, Exportable: c.Exportable,
		ExportedAt: c.ExportedAt, Renewable: c.Renewable(now), UsedBy: c.UsedBy, Tags: tagsOut(c.Tags), Chain: pemOf(c.Chain...),
	}
	if c.DER != nil {
		out.Certificate = pemOf(c.DER)
	}
	if r := c.Renewal; r != nil {
		out.Renewal = &wire.ManagedRenewal{Outcome: string(r.Outcome), At: r.At, Failure: string(r.Failure), Attempts: r.Attempts}
	}
	return out, nil
}
