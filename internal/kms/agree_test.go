package kms_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// otherSide makes a key that a key of the spec can agree with, and its
// SubjectPublicKeyInfo.
func otherSide(t *testing.T, spec alg.Spec) (*ecdh.PrivateKey, []byte) {
	t.Helper()
	k, err := map[alg.Spec]ecdh.Curve{alg.P256: ecdh.P256(), alg.P384: ecdh.P384(), alg.P521: ecdh.P521()}[spec].GenerateKey(rand.Reader)
	must(t, err)
	spki, err := x509.MarshalPKIXPublicKey(k.PublicKey())
	must(t, err)
	return k, spki
}

// agrees has a key agree with another one, which comes to the same secret.
func agrees(t *testing.T, f *fixture, k *key.Key) {
	t.Helper()
	other, spki := otherSide(t, k.Spec)
	r, err := f.DeriveSharedSecret(t.Context(), f.admin(), &kms.SharedSecretRequest{Key: refTo(k), Algorithm: alg.ECDH, Peer: spki})
	must(t, err)
	public, err := engine.ParsePublic(k.Spec, k.Current().Public)
	must(t, err)
	own, err := public.ECDH()
	must(t, err)
	want, err := other.ECDH(own)
	must(t, err)
	if got := hex.EncodeToString(r.Secret.Reveal()); got != hex.EncodeToString(want) || r.Key.Name != k.Name || r.Version.Number != 1 {
		t.Errorf("the secret is %s, want %x", got, want)
	}
	if shown := fmt.Sprintf("%v %+v %x", r.Secret, r.Secret, r.Secret); shown != "[redacted] [redacted] [redacted]" {
		t.Errorf("the secret is shown as %s", shown)
	}
}

// TestAgreementIsRefused is what may not be agreed on, with which key, and by
// whom.
func TestAgreementIsRefused(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.P256, alg.KeyAgreement)
	_, spki := otherSide(t, alg.P256)
	try := func(call *key.Call, k *key.Key, a alg.Algorithm, peer []byte) error {
		_, err := f.DeriveSharedSecret(t.Context(), call, &kms.SharedSecretRequest{Key: refTo(k), Algorithm: a, Peer: peer})
		return err
	}
	for name, peer := range enginetest.UnfitPeers(t, alg.P256) {
		t.Run(name, func(t *testing.T) {
			want(t, try(f.admin(), k, alg.ECDH, peer), fault.InvalidArgument, fault.UnfitPeer)
		})
	}
	dry := f.admin()
	dry.DryRun = true
	want(t, try(dry, k, alg.ECDH, spki), fault.InvalidArgument, fault.DryRun)
	want(t, try(dry, k, alg.ECDH, spki[1:]), fault.InvalidArgument, fault.UnfitPeer)
	want(t, try(f.admin(), k, alg.ECDSASHA256, spki), fault.InvalidArgument, fault.WrongAlgorithm)
	want(t, try(f.admin(), f.create(alg.P256, alg.SignVerify), alg.ECDH, spki), fault.InvalidArgument, fault.WrongUsage)
	want(t, try(f.admin(), f.create(alg.AES256, alg.NoUsage), alg.ECDH, spki), fault.InvalidArgument, fault.WrongUsage)
	want(t, try(f.as("nobody"), k, alg.ECDH, spki), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	want(t, try(f.admin(), k, alg.ECDH, spki), fault.WrongState, fault.KeyDisabled)
	for _, spec := range []alg.Spec{alg.Secp256k1, alg.Ed25519, alg.RSA2048, alg.AES256} {
		_, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: spec, Usage: alg.KeyAgreement})
		want(t, err, fault.InvalidArgument, fault.IncompatibleUsage)
	}
}

// TestAgreementKeysOnlyAgree: a key that agrees neither signs nor becomes an
// authority's.
func TestAgreementKeysOnlyAgree(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.P384, alg.KeyAgreement)
	_, err := f.Sign(t.Context(), f.admin(), &kms.SignRequest{
		Key: refTo(k), Algorithm: alg.ECDSASHA384, Message: engine.Message{Form: alg.Raw, Bytes: []byte("m")},
	})
	want(t, err, fault.InvalidArgument, fault.WrongUsage)
	_, err = f.Delegate(t.Context(), f.admin(), refTo(k), "ca/1")
	want(t, err, fault.InvalidArgument, fault.WrongUsage)
	_, err = f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.P384})
	want(t, err, fault.InvalidArgument, fault.UsageRequired)
	f.open() // as after a restart
	agrees(t, f, k)
}

// TestAgreementByPolicy: the action is one of its own, a policy can ask for the
// algorithm, and the entry says with whom the key agreed.
func TestAgreementByPolicy(t *testing.T) {
	f := newFixture(t)
	k := f.create(alg.P521, alg.KeyAgreement)
	const statement = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":%q,"Resource":"*","Condition":{"StringEquals":{"kms:KeyAgreementAlgorithm":%q}}}}`
	f.people["agrees"] = append(f.people["agrees"], compile(t, fmt.Sprintf(statement, "kms:DeriveSharedSecret", "ECDH")))
	f.people["signs"] = append(f.people["signs"], compile(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Sign","Resource":"*"}}`))
	f.people["sm2"] = append(f.people["sm2"], compile(t, fmt.Sprintf(statement, "kms:DeriveSharedSecret", "SM2")))
	_, spki := otherSide(t, alg.P521)
	for user, reason := range map[string]fault.Reason{"agrees": fault.Unspecified, "signs": fault.NoIdentityPolicyAllows, "sm2": fault.NoIdentityPolicyAllows} {
		_, err := f.DeriveSharedSecret(t.Context(), f.as(user), &kms.SharedSecretRequest{Key: refTo(k), Algorithm: alg.ECDH, Peer: spki})
		if (err != nil) != (reason != fault.Unspecified) || fault.ReasonOf(err) != reason {
			t.Errorf("%s: %v", user, err)
		}
		if user != "agrees" {
			continue
		}
		sum := sha256.Sum256(spki)
		e := f.log.last()
		for _, d := range []audit.Detail{{Name: "algorithm", Value: "ecdh"}, {Name: "peer", Value: hex.EncodeToString(sum[:])}} {
			if !slices.Contains(e.Details, d) {
				t.Errorf("the entry %v lacks %v", e.Details, d)
			}
		}
		if e.Action != key.DeriveSharedSecret || e.Decision != audit.Allowed {
			t.Errorf("the entry is of %s, %q", e.Action, e.Decision)
		}
	}
}
