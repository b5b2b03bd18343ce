package ca

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// plainWrapper wraps nothing: the seal is not what these tests are about.
type plainWrapper struct{}

func (plainWrapper) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) {
	return append([]byte(nil), plaintext...), nil
}

func (plainWrapper) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) {
	return append([]byte(nil), wrapped...), nil
}

// newDoor returns a fixture whose keys are behind the real door.
func newDoor(t *testing.T) (*fixture, *kms.Service) {
	t.Helper()
	f := newFixture(t, "http://pki.example.com")
	engine, err := soft.New(plainWrapper{}, soft.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	g := guard.New(f.log, f.ids)
	door, err := kms.New(t.Context(), kms.Config{
		Guard: g, Store: f.store, Engine: engine,
		Compile: func(d key.Document) (*policy.Policy, error) {
			return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
		},
		DefaultPolicy: aws.DefaultKeyPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Service, err = New(t.Context(), Config{Keys: door, Guard: g, Store: f.store, PublicURL: "http://pki.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return f, door
}

// TestThroughTheDoor is the main job with real keys: a root and an issuing
// authority, certificates from a CSR and for a kept key, revocation, and
// outsiders who agree.
func TestThroughTheDoor(t *testing.T) {
	for _, c := range []struct {
		root      alg.Spec
		algorithm alg.Algorithm
		issuing   alg.Spec
	}{
		{alg.RSA2048, alg.PSSSHA256, alg.P384},
		{alg.P521, alg.NoAlgorithm, alg.Ed25519},
		{alg.Ed25519, alg.Ed25519Pure, alg.RSA2048},
	} {
		t.Run(c.root.String()+" "+c.issuing.String(), func(t *testing.T) { throughTheDoor(t, c.root, c.algorithm, c.issuing) })
	}
}

func throughTheDoor(t *testing.T, rootSpec alg.Spec, algorithm alg.Algorithm, issuingSpec alg.Spec) {
	t.Helper()
	f, door := newDoor(t)
	ctx := t.Context()
	ids := map[string]kms.Ref{}
	for name, spec := range map[string]alg.Spec{"root": rootSpec, "issuing": issuingSpec} {
		k, err := door.CreateKey(ctx, f.as("admin"), &kms.CreateKeyRequest{Spec: spec, Usage: alg.SignVerify})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = kms.Ref{ID: k.Name.ID}
	}
	root, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		Name: "root", Key: ids["root"], Subject: profile.Subject{CommonName: "Root"}, Algorithm: algorithm,
	})
	if err != nil {
		t.Fatal(err)
	}
	issuing, err := f.CreateAuthority(ctx, f.as("admin"), &CreateAuthorityRequest{
		Name: "issuing", Key: ids["issuing"], Subject: profile.Subject{CommonName: "Issuing"}, Parent: "root",
	})
	if err != nil {
		t.Fatal(err)
	}
	server := f.issue(t, "issuing", "web.example.com", "*.apps.example.com")
	both := f.request(t, "issuing", "tls-mutual", alg.P256)
	client := f.request(t, "issuing", "tls-client", alg.Ed25519)
	revoked := f.issue(t, "issuing", "old.example.com")
	f.revoke(t, revoked, KeyCompromise)
	f.judgeByTools(t, root, issuing, server, both, client, revoked)

	// A signature by the CA key is an entry of its own, before the call's.
	n := len(f.log.entries)
	c := f.issue(t, "issuing", "x.example.com")
	entries := f.log.entries[n:]
	if len(entries) != 2 || entries[0].Action != key.Sign || !strings.HasSuffix(entries[0].Principal, "service:ca/"+issuing.ID) ||
		entries[1].Action != key.IssueCertificate || detail(entries[1], "serial") != c.Serial {
		t.Errorf("entries %+v", entries)
	}

	// The door's word on the CA key passes through.
	if err := door.DisableKey(ctx, f.as("admin"), ids["issuing"]); err != nil {
		t.Fatal(err)
	}
	_, err = f.Issue(ctx, f.as("admin"), &IssueRequest{
		Authority: "issuing", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"y.example.com"}}),
	})
	wantFault(t, err, fault.WrongState, fault.KeyDisabled, "disabled")
	if e := f.log.last(); e.Action != key.IssueCertificate || e.Result != fault.WrongState.String() {
		t.Errorf("entry %+v", e)
	}
}

// TestLeastPrivilege: who may issue needs no right to the CA key, and the
// right to one action is not the right to another.
func TestLeastPrivilege(t *testing.T) {
	f, door := newDoor(t)
	k, err := door.CreateKey(t.Context(), f.as("admin"), &kms.CreateKeyRequest{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		t.Fatal(err)
	}
	ref := kms.Ref{ID: k.Name.ID}
	root, err := f.CreateAuthority(t.Context(), f.as("admin"), &CreateAuthorityRequest{Name: "root", Key: ref, Subject: profile.Subject{CommonName: "Root"}})
	if err != nil {
		t.Fatal(err)
	}
	f.grant(t, "issuer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"acm-pca:IssueCertificate","Resource":"*"}]}`)
	c, err := f.Issue(t.Context(), f.as("issuer"), &IssueRequest{
		Authority: "root", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"y.example.com"}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Revoke(t.Context(), f.as("issuer"), "root", c.Serial, Unspecified)
	wantFault(t, err, fault.PermissionDenied, 0, "")
	_, err = f.Issue(t.Context(), f.as("issuer"), &IssueRequest{
		Authority: "root", Profile: "tls-server", NewKey: alg.P256, Names: profile.Names{DNS: []string{"z.example.com"}},
	})
	wantFault(t, err, fault.PermissionDenied, 0, "key:Create")
	_, err = f.CreateAuthority(t.Context(), f.as("issuer"), &CreateAuthorityRequest{Name: "mine", Key: ref, Subject: profile.Subject{CommonName: "Mine"}})
	wantFault(t, err, fault.PermissionDenied, 0, "ca:Create")
	f.grant(t, "founder", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"acm-pca:*","Resource":"*"}]}`)
	_, err = f.CreateAuthority(t.Context(), f.as("founder"), &CreateAuthorityRequest{Name: "mine", Key: ref, Subject: profile.Subject{CommonName: "Mine"}})
	wantFault(t, err, fault.PermissionDenied, 0, "key:")
	if e := f.log.last(); e.Decision != audit.Allowed || e.Result != fault.PermissionDenied.String() {
		t.Errorf("the refusal by the key is entered as %+v", e)
	}
	if crl := f.crl(t, root.ID); len(crl) == 0 {
		t.Error("the authority cannot sign a list")
	}
}
