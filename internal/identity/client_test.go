package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// authorities issued what their names are in the certificates' issuers.
type authorities struct{ revoked bool }

func (a *authorities) IssuerOf(_ context.Context, c *x509.Certificate) (string, key.RealmID, error) {
	if a.revoked {
		return "", "", fault.Because(fault.Unauthenticated, fault.DisabledCredential, "revoked")
	}
	switch c.Issuer.CommonName {
	case "agents":
		return "agents-id", key.DefaultRealm, nil
	case "neighbour":
		return "agents-id", "999999999999", nil
	}
	return "", "", nil
}

// presentable makes a certificate; change makes it another one.
func presentable(t *testing.T, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "web-1"}, Issuer: pkix.Name{CommonName: "agents"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"web-1.example.com"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, &x509.Certificate{Subject: c.Issuer}, k.Public(), k)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	return parsed
}

func resolve(*key.Call, string) (string, error) { return "agents-id", nil }

// TestClientCaller holds which certificates prove which user.
func TestClientCaller(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	pinned := presentable(t, func(c *x509.Certificate) { c.Issuer.CommonName = "elsewhere"; c.Subject.CommonName = "x" })
	sum := sha256.Sum256(pinned.Raw)
	for user, n := range map[string]*identity.NewClientCertificate{
		"bySubject": {Authority: "agents", Subject: "CN=web-1", Resolve: resolve},
		"byName":    {Authority: "agents", Name: "Web-2.example.com", Resolve: resolve},
		"byHash":    {SHA256: hex.EncodeToString(sum[:])},
	} {
		_, err := f.CreateUser(ctx, admin, user)
		must(t, err)
		n.User = user
		_, err = f.PutClientCertificate(ctx, admin, n)
		must(t, err)
	}
	named := func(cn, dns string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.CommonName, c.DNSNames = cn, []string{dns} }
	}
	f.open() // what is stored counts after a restart
	for name, c := range map[string]struct {
		certificate *x509.Certificate
		user        string
		reason      fault.Reason
	}{
		"its subject":            {presentable(t, nil), "bySubject", 0},
		"its name in other case": {presentable(t, named("x", "WEB-2.example.com")), "byName", 0},
		"its hash":               {pinned, "byHash", 0},
		"another subject":        {presentable(t, named("web-3", "web-3.example.com")), "", fault.UnknownCredential},
		"of two users":           {presentable(t, named("web-1", "web-2.example.com")), "", fault.UnknownCredential},
		"another realm's":        {presentable(t, func(c *x509.Certificate) { c.Issuer.CommonName = "neighbour" }), "", fault.UnknownCredential},
		"from elsewhere":         {presentable(t, func(c *x509.Certificate) { c.Issuer.CommonName = "elsewhere" }), "", fault.UnknownCredential},
		"expired":                {presentable(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "", fault.ExpiredCredential},
		"not yet valid":          {presentable(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "", fault.ExpiredCredential},
		"for servers":            {presentable(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "", fault.UnsupportedProof},
		"for anything":           {presentable(t, func(c *x509.Certificate) { c.ExtKeyUsage = nil }), "bySubject", 0},
		"an authority's":         {presentable(t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), "", fault.UnsupportedProof},
		"for what nobody here is": {presentable(t, func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3}}
		}), "", fault.UnsupportedProof},
	} {
		t.Run(name, func(t *testing.T) {
			caller, err := f.directory.ClientCaller(ctx, c.certificate, &authorities{})
			if c.user == "" {
				want(t, err, fault.Unauthenticated, c.reason)
				return
			}
			must(t, err)
			if caller.Principal.Name != c.user || caller.Method != identity.MethodMTLS || caller.Credential != identity.CertificateHash(c.certificate) {
				t.Errorf("the caller is %+v", caller)
			}
		})
	}
	_, err := f.directory.ClientCaller(ctx, presentable(t, nil), &authorities{revoked: true})
	want(t, err, fault.Unauthenticated, fault.DisabledCredential)
}

// TestClientCertificatesEnd holds that a rule ends with its removal, and with
// its user, whose name alone proves nothing.
func TestClientCertificatesEnd(t *testing.T) {
	f := newFixture(t)
	ctx, admin := t.Context(), f.as("admin")
	rule := &identity.NewClientCertificate{User: "alice", Authority: "agents", Subject: "CN=web-1", Resolve: resolve}
	_, err := f.PutClientCertificate(ctx, admin, rule)
	want(t, err, fault.NotFound, 0)
	_, err = f.CreateUser(ctx, admin, "alice")
	must(t, err)
	made, err := f.PutClientCertificate(ctx, admin, rule)
	must(t, err)
	_, err = f.PutClientCertificate(ctx, admin, rule)
	want(t, err, fault.AlreadyExists, 0)
	_, err = f.PutClientCertificate(ctx, f.as("alice"), rule)
	if fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("a user without rights: %v", err)
	}
	for _, wrong := range []*identity.NewClientCertificate{
		{User: "alice"},
		{User: "alice", SHA256: "abc"},
		{User: "alice", Authority: "agents", Resolve: resolve},
		{User: "alice", Subject: "CN=x"},
		{User: "alice", SHA256: made.ID, Authority: "agents", Resolve: resolve},
	} {
		_, err := f.PutClientCertificate(ctx, admin, wrong)
		want(t, err, fault.InvalidArgument, 0)
	}
	list, err := f.ClientCertificates(ctx, admin, "alice")
	if must(t, err); len(list) != 1 || list[0].ID != made.ID {
		t.Errorf("listed: %+v", list)
	}
	proves := func() error {
		_, err := f.directory.ClientCaller(ctx, presentable(t, nil), &authorities{})
		return err
	}
	must(t, proves())
	want(t, f.DeleteClientCertificate(ctx, admin, "admin", made.ID), fault.NotFound, 0)
	must(t, f.DeleteClientCertificate(ctx, admin, "alice", made.ID))
	want(t, proves(), fault.Unauthenticated, fault.UnknownCredential)
	for range identity.MaxClientCertificates {
		rule.Name += "a"
		_, err = f.PutClientCertificate(ctx, admin, rule)
		must(t, err)
	}
	rule.Name = "b"
	_, err = f.PutClientCertificate(ctx, admin, rule)
	want(t, err, fault.LimitExceeded, 0)
	must(t, f.DeleteUser(ctx, admin, "alice"))
	_, err = f.CreateUser(ctx, admin, "alice")
	must(t, err)
	f.open()
	if list, err = f.ClientCertificates(ctx, admin, "alice"); err != nil || len(list) != 0 {
		t.Errorf("another user of the name has %+v, %v", list, err)
	}
}
