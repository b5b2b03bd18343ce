package managed

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// idOf returns the id of the managed certificate that the path names.
func idOf(r *native.Request) string { return r.Path("managed") }

func (f *front) requestManaged(ctx context.Context, r *native.Request, req *wire.RequestManagedRequest) (*wire.Managed, error) {
	ask := &managed.Request{
		Authority: req.Authority, Domain: req.Domain, Names: req.Names, KeyStays: req.KeyStays, Tags: native.TagsIn(req.Tags), Token: req.Token,
	}
	if err := native.Required("authority", req.Authority); err != nil {
		return nil, err
	}
	if err := settings(req, ask); err != nil {
		return nil, err
	}
	if req.Spec != "" {
		spec, err := native.SpecOf(req.Spec)
		if err != nil {
			return nil, err
		}
		ask.Spec = spec
	}
	return managedOut(f.managed.Request(ctx, r.Call, ask))
}

func (f *front) importManaged(ctx context.Context, r *native.Request, req *wire.ImportManagedRequest) (*wire.Managed, error) {
	ask := &managed.Import{ID: req.ID, Exportable: req.Exportable, Tags: native.TagsIn(req.Tags)}
	var err error
	if ask.Certificate, err = native.CertificateOf("certificate", req.Certificate); err != nil {
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
	return managedOut(f.managed.Import(ctx, r.Call, ask))
}

func (f *front) listManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.ManagedList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	list := managed.List{Page: page}
	if state := r.Param("state"); state != "" {
		list.Filter.States = []managed.State{managed.State(state)}
	}
	return listOut(f.managed.List(ctx, r.Call, list))
}

// listOut puts a page of managed certificates into the API's shape.
func listOut(all []*managed.Certificate, next string, err error) (*wire.ManagedList, error) {
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

func (f *front) describeManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Managed, error) {
	return managedOut(f.managed.Describe(ctx, r.Call, idOf(r)))
}

func (f *front) exportManaged(ctx context.Context, r *native.Request, req *wire.ExportManagedRequest) (*wire.ExportedManaged, error) {
	if len(req.Passphrase) < minPassphrase {
		return nil, fault.New(fault.InvalidArgument, "the member %q has at least %d bytes", "passphrase", minPassphrase)
	}
	x, err := f.managed.Export(ctx, r.Call, idOf(r))
	if err != nil {
		return nil, err
	}
	defer x.PrivateKey.Wipe()
	key, err := keystore.EncryptKey(x.PrivateKey.Reveal(), []byte(req.Passphrase), keystore.PBKDF2)
	if err != nil {
		return nil, err
	}
	return &wire.ExportedManaged{Certificate: native.PEM(x.DER), Chain: native.PEM(x.Chain...), PrivateKey: string(key)}, nil
}

// minPassphrase is the shortest passphrase that encrypts a key, in bytes.
const minPassphrase = 4

func (f *front) renewManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Managed, error) {
	return managedOut(f.managed.Renew(ctx, r.Call, idOf(r)))
}

func (f *front) revokeManaged(ctx context.Context, r *native.Request, req *wire.RevokeRequest) (*wire.Managed, error) {
	reason, err := native.ReasonOf(req.Reason)
	if err != nil {
		return nil, err
	}
	return managedOut(f.managed.Revoke(ctx, r.Call, idOf(r), reason))
}

func (f *front) deleteManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return nil, f.managed.Delete(ctx, r.Call, idOf(r))
}

func (f *front) tagManaged(ctx context.Context, r *native.Request, req *wire.TagRequest) (*wire.Managed, error) {
	return managedOut(f.managed.Tag(ctx, r.Call, idOf(r), native.TagsIn(req.Tags)))
}

func (f *front) untagManaged(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Managed, error) {
	keys := r.HTTP.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "key")
	}
	tags := make([]managed.Untag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	return managedOut(f.managed.Untag(ctx, r.Call, idOf(r), tags))
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
		ExportedAt: c.ExportedAt, Renewable: c.Renewable(now), UsedBy: c.UsedBy, Tags: native.TagsOut(c.Tags), Chain: native.PEM(c.Chain...),
		Profile: c.Profile,
	}
	if c.Kind == managed.Private {
		outlookOut(out, c)
	}
	if c.DER != nil {
		out.Certificate = native.PEM(c.DER)
	}
	if r := c.Renewal; r != nil {
		out.Renewal = &wire.ManagedRenewal{Outcome: string(r.Outcome), At: r.At, Failure: string(r.Failure), Attempts: r.Attempts}
	}
	return out, nil
}
