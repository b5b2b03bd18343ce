package ca

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func (f *fixture) revoke(t *testing.T, c *Issued, r Reason) {
	t.Helper()
	if _, err := f.Revoke(t.Context(), f.as("admin"), c.Authority, c.Serial, r); err != nil {
		t.Fatal(err)
	}
}

// revoked returns the reasons of the authority's revocations by serial number.
func (f *fixture) revoked(t testing.TB, id string) map[string]Reason {
	t.Helper()
	list := map[string]Reason{}
	for _, r := range f.revocations(t, id) {
		list[r.Serial] = r.Reason
	}
	return list
}

func TestRevoke(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	want := map[string]Reason{}
	for _, reason := range Reasons() {
		c := f.issue(t, "root", "a.example.com")
		f.revoke(t, c, reason)
		want[c.Serial] = reason
	}
	if d := cmp.Diff(want, f.revoked(t, root.ID)); d != "" {
		t.Errorf("revoked (-want +got):\n%s", d)
	}

	// Idempotent for the same reason, refused for another.
	c := f.issue(t, "root", "b.example.com")
	f.revoke(t, c, Superseded)
	before, err := f.Certificate(t.Context(), f.as("admin"), "root", c.Serial)
	if err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Hour)
	after, err := f.Revoke(t.Context(), f.as("admin"), "root", strings.ToUpper(c.Serial), Superseded)
	if err != nil || !after.RevokedAt.Equal(*before.RevokedAt) {
		t.Errorf("revoked again: %+v, %v", after, err)
	}
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, KeyCompromise)
	wantFault(t, err, fault.WrongState, fault.AlreadyRevoked, "superseded")
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, CertificateHold)
	wantFault(t, err, fault.WrongState, fault.AlreadyRevoked, "superseded")
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", "00", Unspecified)
	wantFault(t, err, fault.NotFound, 0, "certificate")
	_, err = f.Revoke(t.Context(), f.as("admin"), "root", "zz", Unspecified)
	wantFault(t, err, fault.InvalidArgument, 0, "hexadecimal")
	for _, r := range []Reason{7, RemoveFromCRL, 11, -1} {
		_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, r)
		wantFault(t, err, fault.InvalidArgument, 0, "reason")
	}
	dry := f.as("admin")
	dry.DryRun = true
	fresh := f.issue(t, "root", "c.example.com")
	_, err = f.Revoke(t.Context(), dry, "root", fresh.Serial, KeyCompromise)
	wantFault(t, err, fault.InvalidArgument, fault.DryRun, "")
	if c, err := f.Lookup(t.Context(), root.ID, fresh.Serial); err != nil || c.RevokedAt != nil {
		t.Errorf("a dry run revoked: %+v, %v", c, err)
	}
}

func TestReasons(t *testing.T) {
	for _, r := range Reasons() {
		if got, err := ParseReason(r.String()); err != nil || got != r {
			t.Errorf("%s reads as %d, %v", r, got, err)
		}
	}
	_, err := ParseReason("removeFromCRL")
	wantFault(t, err, fault.InvalidArgument, 0, "release")
	_, err = ParseReason("boredom")
	wantFault(t, err, fault.InvalidArgument, 0, "boredom")
}

// TestHold: a hold is a revocation that may be taken back, or become final,
// and then counts from its beginning.
func TestHold(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	var told []string
	f.OnRevoked(func(c *Certificate, at time.Time) {
		told = append(told, fmt.Sprintf("%s %v %v", c.Serial, c.RevokedAt != nil, at.Equal(f.r.Entries()[root.ID].Changed)))
	})
	c := f.issue(t, "root", "a.example.com")
	_, err := f.Release(t.Context(), f.as("admin"), "root", c.Serial)
	wantFault(t, err, fault.WrongState, 0, "not on hold")
	f.revoke(t, c, CertificateHold)
	began := f.clock.Truncate(time.Second)
	got, err := f.Release(t.Context(), f.as("admin"), "root", c.Serial)
	if err != nil || got.RevokedAt != nil || got.Status(f.clock) != StatusValid {
		t.Errorf("released: %+v, %v", got, err)
	}
	if r := f.revoked(t, root.ID)[c.Serial]; r != RemoveFromCRL {
		t.Errorf("the released hold is kept as %d", r)
	}
	f.revoke(t, c, CertificateHold)
	f.clock = f.clock.Add(time.Hour)
	f.revoke(t, c, KeyCompromise)
	now, err := f.Lookup(t.Context(), root.ID, c.Serial)
	if err != nil || now.Reason != KeyCompromise || !now.RevokedAt.Equal(began) {
		t.Errorf("%+v, %v; want it revoked since %s", now, err, began)
	}
	_, err = f.Release(t.Context(), f.as("admin"), "root", c.Serial)
	wantFault(t, err, fault.WrongState, 0, "not on hold")
	want := []string{c.Serial + " true true", c.Serial + " false true", c.Serial + " true true", c.Serial + " true true"}
	if d := cmp.Diff(want, told); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}

// TestHoldOfAnAuthority: an authority whose certificate is on hold issues
// nothing, and is afterwards what it was.
func TestHoldOfAnAuthority(t *testing.T) {
	f := newFixture(t, "")
	f.authority(t, "root", alg.P256, "")
	sub := f.authority(t, "sub", alg.P256, "root")
	state := func() State {
		a, _ := f.ByID(sub.ID)
		return a.State
	}
	if _, err := f.Revoke(t.Context(), f.as("admin"), "root", sub.Serial, CertificateHold); err != nil || state() != Revoked {
		t.Fatal(err, state())
	}
	f.Service = f.open(t, "")
	if _, err := f.Release(t.Context(), f.as("admin"), "root", sub.Serial); err != nil || state() != Active {
		t.Fatal(err, state())
	}
	f.issue(t, "sub", "a.example.com")
	if _, err := f.Revoke(t.Context(), f.as("admin"), "root", sub.Serial, CACompromise); err != nil || state() != Revoked {
		t.Fatal(err, state())
	}
	_, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{
		Authority: "sub", Profile: "tls-server", CSR: newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"b.example.com"}}),
	})
	wantFault(t, err, fault.WrongState, 0, "revoked")
}

// TestOrderOfChanges: changes have the order of their times, also when the
// clock stands still or goes back, and after a restart.
func TestOrderOfChanges(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	var want, got []string
	for i := range 6 {
		c := f.issue(t, "root", "a.example.com")
		f.clock = f.clock.Add(time.Duration(1-i) * time.Minute)
		if i == 3 {
			f.Service = f.open(t, "")
		}
		f.revoke(t, c, Superseded)
		want = append(want, c.Serial)
	}
	for _, r := range f.revocations(t, root.ID) {
		got = append(got, r.Serial)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

// TestProof: whoever has the private key may revoke, and says which
// certificate.
func TestProof(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	for _, spec := range []alg.Spec{alg.P256, alg.Ed25519} {
		signer, err := makeKey(spec)
		if err != nil {
			t.Fatal(err)
		}
		other, err := makeKey(spec)
		if err != nil {
			t.Fatal(err)
		}
		original := signCSR(t, signer, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
		issue := func() *Issued {
			c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: "tls-server", CSR: original})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c, another := issue(), issue()
		algorithm := spec.For(alg.SignVerify)[0]
		signed := func(text string) []byte {
			out, err := cert.SignMessage(signer, algorithm, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		request := func(subject pkix.Name) *x509.CertificateRequest { return &x509.CertificateRequest{Subject: subject} }
		text := ProofText(c.Serial)
		for _, bad := range []struct {
			name  string
			proof Proof
			kind  fault.Kind
		}{
			{"nothing", Proof{}, fault.InvalidArgument},
			{"both", Proof{Request: original, Signature: signed(text), Algorithm: algorithm}, fault.InvalidArgument},
			{"the request that it was issued for", Proof{Request: original}, fault.BadSignature},
			{"a request for another", Proof{Request: signCSR(t, signer, request(name(ProofText(another.Serial))))}, fault.BadSignature},
			{"a request by another key", Proof{Request: signCSR(t, other, request(name(text)))}, fault.BadSignature},
			{"a request with more in it", Proof{Request: signCSR(t, signer, request(pkix.Name{CommonName: text, Country: []string{"DE"}}))}, fault.BadSignature},
			{"no request", Proof{Request: []byte("x")}, fault.InvalidArgument},
			{"a signature for another", Proof{Signature: signed(ProofText(another.Serial)), Algorithm: algorithm}, fault.BadSignature},
			{"another algorithm", Proof{Signature: signed(text), Algorithm: alg.PKCS1SHA256}, fault.InvalidArgument},
		} {
			_, err := f.RevokeWithProof(t.Context(), f.as("nobody"), "root", c.Serial, KeyCompromise, &bad.proof)
			if fault.KindOf(err) != bad.kind || err == nil {
				t.Errorf("%s: %v, want %s", bad.name, err, bad.kind)
			}
		}
		broken := signCSR(t, signer, request(name(text)))
		broken[len(broken)-1] ^= 1
		if _, err := f.RevokeWithProof(t.Context(), f.as("nobody"), "root", c.Serial, KeyCompromise, &Proof{Request: broken}); err == nil {
			t.Error("a request with a broken signature is a proof")
		}
		for _, r := range []Reason{CertificateHold, CACompromise, AACompromise, RemoveFromCRL} {
			_, err := f.RevokeWithProof(t.Context(), f.as("nobody"), "root", c.Serial, r, &Proof{Signature: signed(text), Algorithm: algorithm})
			wantFault(t, err, fault.InvalidArgument, 0, "reason")
		}
		if got := f.revoked(t, root.ID); len(got) != 0 && spec == alg.P256 {
			t.Fatalf("revoked %v", got)
		}
		for c, proof := range map[*Issued]*Proof{
			c:       {Signature: signed(text), Algorithm: algorithm},
			another: {Request: signCSR(t, signer, request(name(ProofText(another.Serial))))},
		} {
			got, err := f.RevokeWithProof(t.Context(), f.as("nobody"), "root", c.Serial, KeyCompromise, proof)
			if err != nil || got.RevokedAt == nil {
				t.Errorf("%s: %+v, %v", spec, got, err)
			}
			if e := f.log.last(); e.Action != key.RevokeCertificate || e.Result != "ok" || !strings.Contains(e.Why, "private key") {
				t.Errorf("entry %+v", e)
			}
		}
	}
}

// TestShards: a certificate's shard is fixed when it is issued, and its
// distribution point names it.
func TestShards(t *testing.T) {
	f := newFixture(t, "http://pki.example.com")
	root := f.authority(t, "root", alg.P256, "")
	before := f.issue(t, "root", "a.example.com")
	config := DefaultRevocation()
	config.CRL.Shards = 3
	if _, err := f.UpdateAuthority(t.Context(), f.as("admin"), "root", Update{Revocation: &config}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for range 30 {
		c := f.issue(t, "root", "a.example.com")
		want := "http://pki.example.com/pki/" + root.ID + "/" + c.Shard + ".crl"
		if got := parse(t, c.DER).CRLDistributionPoints; len(got) != 1 || got[0] != want {
			t.Fatalf("distribution points %v, want %s", got, want)
		}
		seen[c.Shard]++
	}
	if len(seen) != 3 || seen["1"] == 0 || seen["2"] == 0 || seen["3"] == 0 {
		t.Errorf("shards %v", seen)
	}
	last := f.issue(t, "root", "b.example.com")
	config.CRL.Shards = 0
	if _, err := f.UpdateAuthority(t.Context(), f.as("admin"), "root", Update{Revocation: &config}); err != nil {
		t.Fatal(err)
	}
	f.revoke(t, before, Superseded)
	f.revoke(t, last, Superseded)
	for _, r := range f.revocations(t, root.ID) {
		if want := map[string]string{before.Serial: "", last.Serial: last.Shard}[r.Serial]; r.Shard != want {
			t.Errorf("revoked in the shard %q, want %q", r.Shard, want)
		}
	}
}

// TestPoints: certificates name what the authority's configuration says.
func TestPoints(t *testing.T) {
	type points struct{ CRL, OCSP, Issuer []string }
	with := func(edit func(*RevocationConfig)) *RevocationConfig {
		c := DefaultRevocation()
		edit(&c)
		return &c
	}
	for _, c := range []struct {
		name, public string
		config       *RevocationConfig
		want         points // ID stands for the authority's id
	}{
		{"as it comes", "http://p", with(func(*RevocationConfig) {}), points{[]string{"http://p/pki/ID.crl"}, []string{"http://p/pki/ID/ocsp"}, []string{"http://p/pki/ID.cer"}}},
		{"no public address", "", with(func(c *RevocationConfig) { c.CRL.Shards = 3 }), points{}},
		{"neither", "http://p", &RevocationConfig{}, points{nil, nil, []string{"http://p/pki/ID.cer"}}},
		{"no distribution point", "http://p", with(func(c *RevocationConfig) { c.CRL.OmitDistributionPoint = true }), points{nil, []string{"http://p/pki/ID/ocsp"}, []string{"http://p/pki/ID.cer"}}},
		{
			"custom names", "http://p",
			with(func(c *RevocationConfig) {
				c.CRL.CustomName, c.OCSP.CustomName = "crl.example.com", "ocsp.example.com/"
			}),
			points{[]string{"http://crl.example.com/pki/ID.crl"}, []string{"http://ocsp.example.com/pki/ID/ocsp"}, []string{"http://p/pki/ID.cer"}},
		},
		{
			"a bucket behind a name", "",
			with(func(c *RevocationConfig) {
				c.CRL.CustomName, c.CRL.Bucket, c.OCSP.Enabled = "crl.example.com", "lists", false
			}),
			points{[]string{"http://crl.example.com/crl/ID.crl"}, nil, nil},
		},
		{
			"a bucket with a path", "http://p",
			with(func(c *RevocationConfig) {
				c.CRL.CustomName, c.CRL.Bucket, c.CRL.Path = "crl.example.com", "lists", "a/b"
			}),
			points{[]string{"http://crl.example.com/a/b/ID.crl"}, []string{"http://p/pki/ID/ocsp"}, []string{"http://p/pki/ID.cer"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, c.public)
			root := f.authority(t, "root", alg.P256, "")
			if _, err := f.UpdateAuthority(t.Context(), f.as("admin"), "root", Update{Revocation: c.config}); err != nil {
				t.Fatal(err)
			}
			got := parse(t, f.issue(t, "root", "a.example.com").DER)
			for _, list := range [][]string{got.CRLDistributionPoints, got.OCSPServer, got.IssuingCertificateURL} {
				for i := range list {
					list[i] = strings.ReplaceAll(list[i], root.ID, "ID")
				}
			}
			if d := cmp.Diff(c.want, points{got.CRLDistributionPoints, got.OCSPServer, got.IssuingCertificateURL}); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestIssueOwn: what an authority issues for its own work is recorded and in
// its inventory.
func TestIssueOwn(t *testing.T) {
	f := newFixture(t, "http://p")
	root := f.authority(t, "root", alg.P256, "")
	a, _ := f.ByID(root.ID)
	k, err := f.keys.create(alg.P256)
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.IssueOwn(t.Context(), f.OwnCall(a, "Test"), root.ID, &OwnCertificate{
		Profile: "own", Key: k, Validity: 100 * 365 * day,
		Template: &x509.Certificate{Subject: name("worker"), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !c.NotAfter.Equal(root.NotAfter) {
		t.Errorf("it ends %s, the authority %s", c.NotAfter, root.NotAfter)
	}
	if err := cert.CheckFrom(parse(t, c.DER), a.X509()); err != nil {
		t.Error(err)
	}
	if got, err := f.Lookup(t.Context(), root.ID, c.Serial); err != nil || got.Profile != "own" {
		t.Errorf("%+v, %v", got, err)
	}
	if e := f.log.last(); e.Action != key.IssueCertificate || !strings.Contains(e.Principal, "ca/"+root.ID) {
		t.Errorf("entry %+v", e)
	}
	if _, err := engine.ParsePublic(k.Spec, k.Current().Public); err != nil {
		t.Error(err)
	}
}

// TestConcurrentRevocations: every revocation that was answered is stored.
func TestConcurrentRevocations(t *testing.T) {
	f := newFixture(t, "")
	root := f.authority(t, "root", alg.P256, "")
	const workers, each = 8, 5
	csr := newCSR(t, alg.P256, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}})
	var wg sync.WaitGroup
	failures := make(chan error, workers*each)
	for range workers {
		wg.Go(func() {
			for range each {
				c, err := f.Issue(t.Context(), f.as("admin"), &IssueRequest{Authority: "root", Profile: "tls-server", CSR: csr})
				if err == nil {
					_, err = f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, Superseded)
				}
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
	if got := f.revoked(t, root.ID); len(got) != workers*each {
		t.Errorf("%d revoked", len(got))
	}
}

// failing is a store whose updates fail.
type failing struct {
	store.Store
	err error
}

func (s *failing) Update(ctx context.Context, f func(store.Tx) error) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Update(ctx, f)
}

// TestRevocationNotStored: what was not stored is not made known.
func TestRevocationNotStored(t *testing.T) {
	f := newFixture(t, "")
	broken := &failing{Store: f.store}
	f.store = broken
	f.Service = f.open(t, "")
	root := f.authority(t, "root", alg.P256, "")
	c := f.issue(t, "root", "a.example.com")
	f.OnRevoked(func(*Certificate, time.Time) { t.Error("told of a revocation that is not stored") })
	broken.err = errors.New("the disk is gone")
	if _, err := f.Revoke(t.Context(), f.as("admin"), "root", c.Serial, Superseded); !errors.Is(err, broken.err) {
		t.Errorf("%v", err)
	}
	broken.err = nil
	if got := f.revoked(t, root.ID); len(got) != 0 {
		t.Errorf("revoked %v", got)
	}
}
