package native

import (
	"context"
	"encoding/pem"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// daysOf reads a validity in days.
func daysOf(days int) (time.Duration, error) {
	if days < 0 || days > maxDays {
		return 0, fault.New(fault.InvalidArgument, "the member %q must be 0 to %d", "validity_days", maxDays)
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

func (f *Front) updateAuthority(ctx context.Context, r *request, req *wire.UpdateAuthorityRequest) (*wire.Authority, error) {
	u := ca.Update{Revocation: revocationOf(req.Revocation)}
	if req.Enabled != nil {
		state := ca.Disabled
		if *req.Enabled {
			state = ca.Active
		}
		u.State = &state
	}
	return f.authorityOut(f.Authorities.UpdateAuthority(ctx, r.call, r.authority(), u))
}

func (f *Front) deleteAuthority(ctx context.Context, r *request, req *wire.ScheduleDeletionRequest) (*wire.Authority, error) {
	return f.authorityOut(f.Authorities.DeleteAuthority(ctx, r.call, r.authority(), req.Days))
}

func (f *Front) restoreAuthority(ctx context.Context, r *request, _ *wire.None) (*wire.Authority, error) {
	return f.authorityOut(f.Authorities.RestoreAuthority(ctx, r.call, r.authority()))
}

func (f *Front) authorityCSR(ctx context.Context, r *request, _ *wire.None) (*wire.AuthorityCSR, error) {
	der, err := f.Authorities.AuthorityCSR(ctx, r.call, r.authority())
	if err != nil {
		return nil, err
	}
	return &wire.AuthorityCSR{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}, nil
}

func (f *Front) importAuthority(ctx context.Context, r *request, req *wire.ImportAuthorityRequest) (*wire.Authority, error) {
	certificate, err := oneCertificate("certificate", req.Certificate)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	if req.Chain != "" {
		if chain, err = keystore.ParseCertificates("the member \"chain\"", []byte(req.Chain)); err != nil {
			return nil, err
		}
	}
	return f.authorityOut(f.Authorities.ImportAuthorityCertificate(ctx, r.call, r.authority(), certificate, chain))
}

// oneCertificate reads a member that is one certificate in PEM.
func oneCertificate(member, text string) ([]byte, error) {
	if err := required(member, text); err != nil {
		return nil, err
	}
	list, err := keystore.ParseCertificates("the member \""+member+"\"", []byte(text))
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "the member %q has %d certificates, and not one", member, len(list))
	}
	return list[0], nil
}

func (f *Front) renewAuthority(ctx context.Context, r *request, req *wire.RenewAuthorityRequest) (*wire.Authority, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	return f.authorityOut(f.Authorities.RenewAuthority(ctx, r.call, r.authority(), validity))
}

func (f *Front) rekeyAuthority(ctx context.Context, r *request, req *wire.RekeyAuthorityRequest) (*wire.Authority, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	ask := &ca.RekeyRequest{Validity: validity}
	if req.Key != "" {
		ask.Key = refOf(req.Key)
	}
	if ask.NewKey, ask.Algorithm, err = madeKey(req.NewKey, req.Algorithm); err != nil {
		return nil, err
	}
	return f.authorityOut(f.Authorities.RekeyAuthority(ctx, r.call, r.authority(), ask))
}

// madeKey reads the spec of a key to be made and the algorithm that it signs
// with; each may be empty.
func madeKey(spec, algorithm string) (s alg.Spec, a alg.Algorithm, err error) {
	if spec != "" {
		if s, err = specOf(spec); err != nil {
			return s, a, err
		}
	}
	if algorithm != "" {
		a, err = algorithmOf(algorithm, alg.NoAlgorithm)
	}
	return s, a, err
}

func (f *Front) crossSign(ctx context.Context, r *request, req *wire.CrossSignRequest) (*wire.IssuedCertificate, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	ask := &ca.CrossSignRequest{Issuer: r.authority(), Authority: req.Authority, Validity: validity, PathLen: req.PathLength}
	if req.CSR != "" {
		if ask.CSR, err = csrOf("csr", req.CSR); err != nil {
			return nil, err
		}
	}
	if req.Certificate != "" {
		if ask.Certificate, err = oneCertificate("certificate", req.Certificate); err != nil {
			return nil, err
		}
	}
	return issuedOut(f.Authorities.CrossSign(ctx, r.call, ask))
}

func (f *Front) tagAuthority(ctx context.Context, r *request, req *wire.TagRequest) (*wire.Authority, error) {
	return f.authorityOut(f.Authorities.Tag(ctx, r.call, r.authority(), tagsIn(req.Tags)))
}

func (f *Front) untagAuthority(ctx context.Context, r *request, _ *wire.None) (*wire.Authority, error) {
	keys := r.http.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "key")
	}
	return f.authorityOut(f.Authorities.Untag(ctx, r.call, r.authority(), keys))
}

func (f *Front) authorityPolicy(ctx context.Context, r *request, _ *wire.None) (*wire.Policy, error) {
	d, err := f.Authorities.Policy(ctx, r.call, r.authority())
	if err != nil {
		return nil, err
	}
	out := policyOf(d)
	return &out, nil
}

func (f *Front) putAuthorityPolicy(ctx context.Context, r *request, req *wire.Policy) (*wire.None, error) {
	d, err := documentOf(*req)
	if err != nil {
		return nil, err
	}
	_, err = f.Authorities.PutPolicy(ctx, r.call, r.authority(), d)
	return nil, err
}

func (f *Front) deleteAuthorityPolicy(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	_, err := f.Authorities.DeletePolicy(ctx, r.call, r.authority())
	return nil, err
}

func (f *Front) listPermissions(ctx context.Context, r *request, _ *wire.None) (*wire.PermissionList, error) {
	a, err := f.Authorities.ListPermissions(ctx, r.call, r.authority())
	if err != nil {
		return nil, err
	}
	list := &wire.PermissionList{Permissions: []wire.Permission{}}
	for _, p := range a.Permissions {
		out := wire.Permission{Principal: p.Principal, Realm: string(p.Realm), CreatedAt: p.CreatedAt}
		for _, action := range p.Actions {
			out.Actions = append(out.Actions, action.String())
		}
		list.Permissions = append(list.Permissions, out)
	}
	return list, nil
}

func (f *Front) createPermission(ctx context.Context, r *request, req *wire.Permission) (*wire.None, error) {
	p := ca.Permission{Principal: req.Principal, Realm: key.RealmID(req.Realm)}
	for _, text := range req.Actions {
		action, err := permissionAction(text)
		if err != nil {
			return nil, err
		}
		p.Actions = append(p.Actions, action)
	}
	_, err := f.Authorities.CreatePermission(ctx, r.call, r.authority(), p)
	return nil, err
}

// permissionAction reads an action that a permission may have.
func permissionAction(text string) (key.Action, error) {
	var names []string
	for _, action := range ca.PermissionActions() {
		if action.String() == text {
			return action, nil
		}
		names = append(names, action.String())
	}
	return key.NoAction, fault.New(fault.InvalidArgument, "the action %q is none that a permission may have: %s", text, strings.Join(names, ", "))
}

func (f *Front) deletePermission(ctx context.Context, r *request, _ *wire.None) (*wire.None, error) {
	_, err := f.Authorities.DeletePermission(ctx, r.call, r.authority(), r.param("principal"), key.RealmID(r.param("realm")))
	return nil, err
}

// revocationOf reads how revocations are published; nil for nothing said.
func revocationOf(r *wire.Revocation) *ca.RevocationConfig {
	if r == nil {
		return nil
	}
	return &ca.RevocationConfig{CRL: ca.CRLConfig(r.CRL), OCSP: ca.OCSPConfig(r.OCSP)}
}

// revocationOut is the way back.
func revocationOut(c ca.RevocationConfig) wire.Revocation {
	return wire.Revocation{CRL: wire.CRLSettings(c.CRL), OCSP: wire.OCSPSettings(c.OCSP)}
}
