package authorities

import (
	"context"
	"encoding/pem"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
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

func (f *front) updateAuthority(ctx context.Context, r *native.Request, req *wire.UpdateAuthorityRequest) (*wire.Authority, error) {
	u := ca.Update{Revocation: revocationOf(req.Revocation)}
	if req.Enabled != nil {
		state := ca.Disabled
		if *req.Enabled {
			state = ca.Active
		}
		u.State = &state
	}
	return f.authorityOut(f.authorities.UpdateAuthority(ctx, r.Call, authorityOf(r), u))
}

func (f *front) deleteAuthority(ctx context.Context, r *native.Request, req *wire.ScheduleDeletionRequest) (*wire.Authority, error) {
	return f.authorityOut(f.authorities.DeleteAuthority(ctx, r.Call, authorityOf(r), req.Days))
}

func (f *front) restoreAuthority(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Authority, error) {
	return f.authorityOut(f.authorities.RestoreAuthority(ctx, r.Call, authorityOf(r)))
}

func (f *front) authorityCSR(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuthorityCSR, error) {
	der, err := f.authorities.AuthorityCSR(ctx, r.Call, authorityOf(r))
	if err != nil {
		return nil, err
	}
	return &wire.AuthorityCSR{CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))}, nil
}

func (f *front) importAuthority(ctx context.Context, r *native.Request, req *wire.ImportAuthorityRequest) (*wire.Authority, error) {
	certificate, err := native.CertificateOf("certificate", req.Certificate)
	if err != nil {
		return nil, err
	}
	var chain [][]byte
	if req.Chain != "" {
		if chain, err = keystore.ParseCertificates("the member \"chain\"", []byte(req.Chain)); err != nil {
			return nil, err
		}
	}
	return f.authorityOut(f.authorities.ImportAuthorityCertificate(ctx, r.Call, authorityOf(r), certificate, chain))
}

func (f *front) renewAuthority(ctx context.Context, r *native.Request, req *wire.RenewAuthorityRequest) (*wire.Authority, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	return f.authorityOut(f.authorities.RenewAuthority(ctx, r.Call, authorityOf(r), validity))
}

func (f *front) rekeyAuthority(ctx context.Context, r *native.Request, req *wire.RekeyAuthorityRequest) (*wire.Authority, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	ask := &ca.RekeyRequest{Validity: validity}
	if req.Key != "" {
		ask.Key = native.RefOf(req.Key)
	}
	if ask.NewKey, ask.Algorithm, err = madeKey(req.NewKey, req.Algorithm); err != nil {
		return nil, err
	}
	return f.authorityOut(f.authorities.RekeyAuthority(ctx, r.Call, authorityOf(r), ask))
}

// madeKey reads the spec of a key to be made and the algorithm that it signs
// with; each may be empty.
func madeKey(spec, algorithm string) (s alg.Spec, a alg.Algorithm, err error) {
	if spec != "" {
		if s, err = native.SpecOf(spec); err != nil {
			return s, a, err
		}
	}
	if algorithm != "" {
		a, err = native.AlgorithmOf(algorithm, alg.NoAlgorithm)
	}
	return s, a, err
}

func (f *front) crossSign(ctx context.Context, r *native.Request, req *wire.CrossSignRequest) (*wire.IssuedCertificate, error) {
	validity, err := daysOf(req.ValidityDays)
	if err != nil {
		return nil, err
	}
	ask := &ca.CrossSignRequest{Issuer: authorityOf(r), Authority: req.Authority, Validity: validity, PathLen: req.PathLength}
	if req.CSR != "" {
		if ask.CSR, err = csrOf("csr", req.CSR); err != nil {
			return nil, err
		}
	}
	if req.Certificate != "" {
		if ask.Certificate, err = native.CertificateOf("certificate", req.Certificate); err != nil {
			return nil, err
		}
	}
	return issuedOut(f.authorities.CrossSign(ctx, r.Call, ask))
}

func (f *front) tagAuthority(ctx context.Context, r *native.Request, req *wire.TagRequest) (*wire.Authority, error) {
	return f.authorityOut(f.authorities.Tag(ctx, r.Call, authorityOf(r), native.TagsIn(req.Tags)))
}

func (f *front) untagAuthority(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Authority, error) {
	keys := r.HTTP.URL.Query()["key"]
	if len(keys) == 0 {
		return nil, fault.New(fault.InvalidArgument, "the parameter %q is missing", "key")
	}
	return f.authorityOut(f.authorities.Untag(ctx, r.Call, authorityOf(r), keys))
}

func (f *front) authorityPolicy(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Policy, error) {
	d, err := f.authorities.Policy(ctx, r.Call, authorityOf(r))
	if err != nil {
		return nil, err
	}
	out := native.PolicyOf(d)
	return &out, nil
}

func (f *front) putAuthorityPolicy(ctx context.Context, r *native.Request, req *wire.Policy) (*wire.None, error) {
	d, err := native.DocumentOf(*req)
	if err != nil {
		return nil, err
	}
	_, err = f.authorities.PutPolicy(ctx, r.Call, authorityOf(r), d)
	return nil, err
}

func (f *front) deleteAuthorityPolicy(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	_, err := f.authorities.DeletePolicy(ctx, r.Call, authorityOf(r))
	return nil, err
}

func (f *front) listPermissions(ctx context.Context, r *native.Request, _ *wire.None) (*wire.PermissionList, error) {
	a, err := f.authorities.ListPermissions(ctx, r.Call, authorityOf(r))
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

func (f *front) createPermission(ctx context.Context, r *native.Request, req *wire.Permission) (*wire.None, error) {
	p := ca.Permission{Principal: req.Principal, Realm: key.RealmID(req.Realm)}
	for _, text := range req.Actions {
		action, err := permissionAction(text)
		if err != nil {
			return nil, err
		}
		p.Actions = append(p.Actions, action)
	}
	_, err := f.authorities.CreatePermission(ctx, r.Call, authorityOf(r), p)
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

func (f *front) deletePermission(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	_, err := f.authorities.DeletePermission(ctx, r.Call, authorityOf(r), r.Param("principal"), key.RealmID(r.Param("realm")))
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
