package status

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/ocsp"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// request returns a request about serial numbers of an authority.
func request(t testing.TB, a *ca.Authority, h crypto.Hash, nonce []byte, serials ...string) []byte {
	t.Helper()
	bits, err := ocsp.KeyBits(a.X509().RawSubjectPublicKeyInfo)
	must(t, err)
	r := &ocsp.Request{Nonce: nonce}
	for _, s := range serials {
		number, ok := new(big.Int).SetString(s, 16)
		if !ok {
			t.Fatalf("%s is no serial number", s)
		}
		id, err := ocsp.NewCertID(h, a.X509().RawSubject, bits, number)
		must(t, err)
		r.IDs = append(r.IDs, id)
	}
	der, err := r.Encode()
	must(t, err)
	return der
}

// statuses returns what an answer says, one word a certificate.
func statuses(t testing.TB, a *Answer) string {
	t.Helper()
	got, err := ocsp.ParseAnswer(a.DER)
	must(t, err)
	if got.Failure != 0 {
		return got.Failure.String()
	}
	var words []string
	for _, s := range got.Response.Singles {
		words = append(words, s.Status.String())
	}
	return strings.Join(words, " ")
}

func TestRespond(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	other := f.authority(t, "other", alg.P256, 0)
	silent := f.authority(t, "silent", alg.P256, 0)
	f.configure(t, silent.ID, func(c *ca.RevocationConfig) { c.OCSP.Enabled = false })
	good, revoked, foreign, quiet := f.issue(t, "root"), f.issue(t, "root"), f.issue(t, "other"), f.issue(t, "silent")
	f.revoke(t, revoked, ca.KeyCompromise)
	const never = "00112233445566778899aabbccddeeff"
	sha1, sha256 := crypto.SHA1, crypto.SHA256
	for _, c := range []struct {
		name    string
		id      string
		request []byte
		want    string
	}{
		{"good", root.ID, request(t, root, sha1, nil, good.Serial), "good"},
		{"good by SHA-256", root.ID, request(t, root, sha256, nil, good.Serial), "good"},
		{"good by SHA-512", root.ID, request(t, root, crypto.SHA512, nil, good.Serial), "good"},
		{"good, of all", "", request(t, root, sha1, nil, good.Serial), "good"},
		{"with a nonce", "", request(t, root, sha1, []byte("nonce"), good.Serial), "good"},
		{"revoked", root.ID, request(t, root, sha1, nil, revoked.Serial), "revoked"},
		{"never issued", root.ID, request(t, root, sha1, nil, never), "unknown"},
		{"issued by another", root.ID, request(t, root, sha1, nil, foreign.Serial), "unknown"},
		{"several", "", request(t, root, sha1, nil, good.Serial, revoked.Serial, never), "good revoked unknown"},
		{"several, with a nonce", root.ID, request(t, root, sha1, []byte("n"), revoked.Serial, good.Serial), "revoked good"},
		{"at another's address", other.ID, request(t, root, sha1, nil, good.Serial), "unauthorized"},
		{"at nobody's address", "none", request(t, root, sha1, nil, good.Serial), "unauthorized"},
		{"of one who does not answer", "", request(t, silent, sha1, nil, quiet.Serial), "unauthorized"},
		{"no request", root.ID, []byte("hello"), "malformedRequest"},
		{"nothing", root.ID, nil, "malformedRequest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // signed for it, and from the cache
				if got := statuses(t, f.Respond(t.Context(), c.id, c.request)); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			}
		})
	}

	// Two issuers in one request: the first answers, and knows its own.
	first, err := ocsp.ParseRequest(request(t, root, sha1, nil, good.Serial))
	must(t, err)
	second, err := ocsp.ParseRequest(request(t, other, sha1, nil, foreign.Serial))
	must(t, err)
	both, err := (&ocsp.Request{IDs: append(first.IDs, second.IDs...)}).Encode()
	must(t, err)
	if got := statuses(t, f.Respond(t.Context(), "", both)); got != "good unknown" {
		t.Errorf("two issuers: %q", got)
	}
}

// TestAnswer: the answer's form, its delegate, its times and its nonce.
func TestAnswer(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c := f.issue(t, "root")
	got, answer := f.ask(t, c)
	if !got.ThisUpdate.Equal(f.now()) || !got.NextUpdate.Equal(f.now().Add(DefaultAnswerValidity)) || !got.ProducedAt.Equal(f.now()) {
		t.Errorf("times %s %s %s", got.ProducedAt, got.ThisUpdate, got.NextUpdate)
	}
	if !answer.ThisUpdate.Equal(got.ThisUpdate) || !answer.NextUpdate.Equal(got.NextUpdate) || answer.Tag == "" {
		t.Errorf("the answer says %+v", answer)
	}
	d := got.Certificate
	if d == nil || d.Subject.CommonName != "OCSP signer of Test root" || d.KeyUsage != x509.KeyUsageDigitalSignature ||
		len(d.ExtKeyUsage) != 1 || d.ExtKeyUsage[0] != x509.ExtKeyUsageOCSPSigning || d.IsCA || len(d.OCSPServer) > 0 || len(d.CRLDistributionPoints) > 0 ||
		d.NotAfter.Sub(f.now()) != SignerValidity {
		t.Fatalf("the delegate's certificate is %+v", d)
	}
	if listed, err := f.ca.Lookup(t.Context(), root.ID, cert.SerialText(d.SerialNumber)); err != nil || listed.Profile != signerProfile {
		t.Errorf("the delegate in the inventory: %+v, %v", listed, err)
	}
	if f.log.count("AnswerOCSP") != 1 || f.log.count("Sign") < 3 { // the root's, c's and the delegate's certificates, and the answer
		t.Errorf("%d answers and %d signatures on record", f.log.count("AnswerOCSP"), f.log.count("Sign"))
	}
	a, _ := f.ca.ByID(root.ID)
	nonced := f.Respond(t.Context(), root.ID, request(t, a, crypto.SHA1, []byte("0123456789abcdef"), c.Serial))
	parsed, err := ocsp.ParseAnswer(nonced.DER)
	if err != nil || string(parsed.Response.Nonce) != "0123456789abcdef" || !nonced.NextUpdate.IsZero() {
		t.Errorf("%+v, %v", parsed, err)
	}
}

// TestAnswersAreKept: an answer is signed once for half its time, and at once
// another one when its certificate is revoked or released.
func TestAnswersAreKept(t *testing.T) {
	f := newFixture(t)
	f.authority(t, "root", alg.P256, 0)
	c, other := f.issue(t, "root"), f.issue(t, "root")
	signed := func() int { return f.log.count("AnswerOCSP") }
	status := func(c *ca.Certificate) int {
		t.Helper()
		got, _ := f.ask(t, c)
		return got.Status
	}
	for range 5 {
		if status(c) != xocsp.Good || status(other) != xocsp.Good {
			t.Error("not good")
		}
	}
	if n := signed(); n != 2 {
		t.Errorf("%d signatures for two certificates", n)
	}
	f.revoke(t, c, ca.CertificateHold)
	if got, _ := f.ask(t, c); got.Status != xocsp.Revoked || got.RevocationReason != xocsp.CertificateHold || !got.RevokedAt.Equal(f.now()) {
		t.Errorf("on hold: %+v", got)
	}
	f.release(t, c)
	if status(c) != xocsp.Good {
		t.Error("released, and not good")
	}
	f.revoke(t, c, ca.KeyCompromise)
	if got, _ := f.ask(t, c); got.Status != xocsp.Revoked || got.RevocationReason != xocsp.KeyCompromise {
		t.Errorf("revoked: %+v", got)
	}
	if status(other); signed() != 5 {
		t.Errorf("%d signatures", signed())
	}
	f.sleep(DefaultAnswerValidity/2 - time.Second)
	if status(other); signed() != 5 {
		t.Errorf("%d signatures before half the time", signed())
	}
	f.sleep(time.Second)
	if status(other); signed() != 6 {
		t.Errorf("%d signatures after half the time", signed())
	}
}

// TestSigner: the delegate is renewed with a new key before it ends, outlives
// a restart, and where there can be none the authority signs itself.
func TestSigner(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c := f.issue(t, "root")
	f.tick(t)
	delegate := func() *x509.Certificate {
		t.Helper()
		got, _ := f.ask(t, c)
		return got.Certificate
	}
	first := delegate()
	firstKey := f.signers.get(root.ID).key
	f.open(t)
	if !delegate().Equal(first) {
		t.Error("another delegate after a restart")
	}
	f.sleep(SignerValidity*2/3 - time.Hour)
	if f.tick(t); !delegate().Equal(first) {
		t.Error("another delegate before its time")
	}
	f.sleep(time.Hour + DefaultAnswerValidity)
	f.tick(t)
	second := delegate()
	if second == nil || second.Equal(first) || second.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(first.PublicKey) { //nolint:forcetypeassert // every public key of the standard library has it
		t.Error("the delegate was not renewed with a new key")
	}
	old, err := f.keys.DescribeKey(t.Context(), f.admin(), refID(firstKey))
	if err != nil || old.DeleteAt.IsZero() {
		t.Errorf("the first key: %+v, %v", old, err)
	}

	// A disabled authority issues nothing: the delegate goes on until its end,
	// then the authority's own key signs.
	disabled := ca.Disabled
	_, err = f.ca.UpdateAuthority(t.Context(), f.admin(), root.ID, ca.Update{State: &disabled})
	must(t, err)
	f.sleep(SignerValidity - DefaultAnswerValidity)
	if f.tick(t); !delegate().Equal(second) {
		t.Error("not the second delegate")
	}
	f.sleep(2 * DefaultAnswerValidity)
	if f.tick(t); !delegate().Equal(root.X509()) {
		t.Error("there is a delegate of a disabled authority")
	}
	f.revoke(t, c, ca.Superseded)
	if got, _ := f.ask(t, c); got.Status != xocsp.Revoked {
		t.Error("not revoked")
	}
}

// TestFlood: more requests than can be signed for are told to try later, or
// get an answer without their nonce; those that are signed already are served.
func TestFlood(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c, other := f.issue(t, "root"), f.issue(t, "root")
	f.ask(t, c)
	full := newLane(1, 0)
	leave := full.enter(t.Context())
	f.fresh, f.signing = full, full
	if got := statuses(t, f.Respond(t.Context(), "", request(t, root, crypto.SHA256, nil, c.Serial))); got != "good" {
		t.Errorf("signed ahead: %s", got)
	}
	withNonce := f.Respond(t.Context(), "", request(t, root, crypto.SHA256, []byte("n"), c.Serial))
	if parsed, err := ocsp.ParseAnswer(withNonce.DER); err != nil || parsed.Response.Nonce != nil || statuses(t, withNonce) != "good" {
		t.Errorf("with a nonce: %+v, %v", parsed, err)
	}
	for name, r := range map[string][]byte{
		"not signed ahead": request(t, root, crypto.SHA256, nil, other.Serial),
		"several":          request(t, root, crypto.SHA256, nil, c.Serial, other.Serial),
		"unknown":          request(t, root, crypto.SHA256, nil, "0badcafe"),
	} {
		if got := statuses(t, f.Respond(t.Context(), "", r)); got != "tryLater" {
			t.Errorf("%s: %s", name, got)
		}
	}
	leave()
	if got := statuses(t, f.Respond(t.Context(), "", request(t, root, crypto.SHA256, nil, other.Serial))); got != "good" {
		t.Errorf("afterwards: %s", got)
	}
}

// TestUnknownsDisplaceNothing: strangers who ask for what does not exist fill
// a cache of their own, and no more than that.
func TestUnknownsDisplaceNothing(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c := f.issue(t, "root")
	f.ask(t, c)
	f.unknown = newCache(10)
	for i := range 40 {
		f.Respond(t.Context(), "", request(t, root, crypto.SHA1, nil, big.NewInt(int64(1000+i)).Text(16)))
	}
	if n := len(f.unknown.young) + len(f.unknown.old); n > 10 || n == 0 {
		t.Errorf("%d unknown answers are kept", n)
	}
	if n := len(f.known.young) + len(f.known.old); n != 1 {
		t.Errorf("%d known answers are kept", n)
	}
	before := f.log.count("AnswerOCSP")
	if f.ask(t, c); f.log.count("AnswerOCSP") != before {
		t.Error("a known answer was displaced")
	}
}

// TestKeyFails: what was signed serves on while nothing can be signed, until
// its time is over. A delegate whose key was taken away is followed by another.
func TestKeyFails(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c, other := f.issue(t, "root"), f.issue(t, "root")
	f.ask(t, c)
	ask := func(c *ca.Certificate) string {
		t.Helper()
		return statuses(t, f.Respond(t.Context(), "", request(t, root, crypto.SHA256, nil, c.Serial)))
	}
	must(t, f.keys.DisableKey(t.Context(), f.admin(), refID(f.signers.get(root.ID).key)))
	must(t, f.keys.DisableKey(t.Context(), f.admin(), refTo(root)))
	f.sleep(DefaultAnswerValidity - time.Minute)
	if got := ask(c); got != "good" {
		t.Errorf("signed before: %s", got)
	}
	if got := ask(other); got != "tryLater" {
		t.Errorf("not signed before: %s", got)
	}
	f.sleep(time.Minute)
	if got := ask(c); got != "tryLater" {
		t.Errorf("after its end: %s", got)
	}
	must(t, f.keys.EnableKey(t.Context(), f.admin(), refTo(root)))
	f.sleep(retry)
	if first, second := ask(c), ask(other); first != "good" || second != "good" || f.signers.get(root.ID) == nil {
		t.Errorf("with another delegate: %s, %s", first, second)
	}
}

// TestStampede: many who ask for one answer have it signed once.
func TestStampede(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	c := f.issue(t, "root")
	f.tick(t)
	ask := request(t, root, crypto.SHA1, nil, c.Serial)
	var wg sync.WaitGroup
	failures := make(chan error, 50)
	for range 50 {
		wg.Go(func() {
			if a := f.Respond(t.Context(), "", ask); a.Failure != 0 {
				failures <- errors.New(a.Failure.String())
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	if n := f.log.count("AnswerOCSP"); n > 3 {
		t.Errorf("signed %d times", n)
	}
}

// TestEveryAlgorithm: the delegate's key is like the authority's, and its
// signatures hold.
func TestEveryAlgorithm(t *testing.T) {
	for _, c := range []struct {
		spec      alg.Spec
		algorithm alg.Algorithm
	}{
		{alg.RSA2048, alg.PKCS1SHA256},
		{alg.RSA2048, alg.PSSSHA384},
		{alg.P384, 0},
		{alg.Ed25519, 0},
		{alg.MLDSA44, 0},
		{alg.MLDSA65, 0},
		{alg.MLDSA87, 0},
	} {
		t.Run(c.spec.String()+" "+c.algorithm.String(), func(t *testing.T) {
			f := newFixture(t)
			root := f.authority(t, "root", c.spec, c.algorithm)
			leaf := f.issue(t, "root")
			f.revoke(t, leaf, ca.Superseded)
			answer := f.Respond(t.Context(), "", request(t, root, crypto.SHA256, nil, leaf.Serial))
			got, err := ocsp.ParseAnswer(answer.DER)
			must(t, err)
			if statuses(t, answer) != "revoked" || len(got.Certificates) != 1 {
				t.Fatalf("%+v", got)
			}
			delegate, err := x509.ParseCertificate(got.Certificates[0])
			must(t, err)
			must(t, cert.CheckFrom(delegate, root.X509()))
			public, err := cert.PublicOf(delegate)
			must(t, err)
			algorithm, err := cert.AlgorithmOf(got.Algorithm)
			must(t, err)
			must(t, cert.CheckSignature(public, algorithm, got.TBS, got.Signature))
			if public.Spec() != c.spec || algorithm != root.Algorithm {
				t.Errorf("signed by %s with %s", public.Spec(), algorithm)
			}
			if _, isRSA := delegate.PublicKey.(*rsa.PublicKey); isRSA != (c.spec == alg.RSA2048) {
				t.Error("another kind of key")
			}
			f.tick(t)
			if l, err := f.PublicCRL(t.Context(), root.ID, "", false); err != nil || l.Entries != 1 {
				t.Errorf("the list: %+v, %v", l, err)
			}
		})
	}
}

func TestSignerKind(t *testing.T) {
	for _, c := range []struct {
		spec      alg.Spec
		algorithm alg.Algorithm
		want      alg.Spec
	}{
		{alg.RSA2048, alg.PKCS1SHA512, alg.RSA2048},
		{alg.RSA3072, alg.PSSSHA256, alg.RSA3072},
		{alg.RSA4096, alg.PSSSHA512, alg.RSA3072},
		{alg.P256, alg.ECDSASHA256, alg.P256},
		{alg.MLDSA87, alg.MLDSAPure, alg.MLDSA87},
	} {
		spec, a := signerKind(&ca.Authority{Spec: c.spec, Algorithm: c.algorithm})
		if d := cmp.Diff([]string{c.want.String(), c.algorithm.String()}, []string{spec.String(), a.String()}); d != "" {
			t.Errorf("%s %s: %s", c.spec, c.algorithm, d)
		}
	}
}

// TestOCSPTools: OpenSSL and GnuTLS accept our answers, of a delegate and of
// the authority itself.
func TestOCSPTools(t *testing.T) {
	for _, direct := range []bool{false, true} {
		f := newFixtureOn(t, mem.New(), "")
		root := f.authority(t, "root", alg.RSA2048, 0)
		good, revoked := f.issue(t, "root"), f.issue(t, "root")
		f.revoke(t, revoked, ca.KeyCompromise)
		if direct {
			disabled := ca.Disabled
			_, err := f.ca.UpdateAuthority(t.Context(), f.admin(), root.ID, ca.Update{State: &disabled})
			must(t, err)
		}
		anchor := write(t, "root.pem", "CERTIFICATE", root.Certificate)
		for c, word := range map[*ca.Certificate]string{good: "good", revoked: "revoked"} {
			leaf := write(t, "leaf.pem", "CERTIFICATE", c.DER)
			for _, nonce := range []string{"-nonce", "-no_nonce"} {
				dir := t.TempDir()
				ask, answer := filepath.Join(dir, "request"), filepath.Join(dir, "answer")
				_, err := tool(t, "openssl", "ocsp", "-issuer", anchor, "-cert", leaf, nonce, "-reqout", ask)
				must(t, err)
				der, err := os.ReadFile(ask)
				must(t, err)
				must(t, os.WriteFile(answer, f.Respond(t.Context(), root.ID, der).DER, 0o600))
				out, err := tool(t, "openssl", "ocsp", "-issuer", anchor, "-CAfile", anchor, "-reqin", ask, "-respin", answer, "-cert", leaf, "-no_nonce")
				if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, ": "+word) || strings.Contains(out, "WARNING") {
					t.Errorf("openssl, %s, %s: %v\n%s", word, nonce, err, out)
				}
				out, err = tool(t, "ocsptool", "--verify-response", "--load-issuer", anchor, "--load-trust", anchor, "--load-response", answer)
				if err != nil || !strings.Contains(out, "Success") {
					t.Errorf("ocsptool, %s, %s: %v\n%s", word, nonce, err, out)
				}
			}
		}
	}
}
