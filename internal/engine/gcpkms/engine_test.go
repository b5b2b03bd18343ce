package gcpkms

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// options are those of an engine on a server.
func options(s *gcpkmstest.Server) Options {
	return Options{
		Settings: remote.Settings{Name: "google", Log: slog.New(slog.DiscardHandler)},
		KeyRing:  s.KeyRing, Endpoint: s.Address, CA: s.CA, Credentials: &Credentials{JSON: s.Credentials()},
	}
}

func newEngine(tb testing.TB, o Options) *Engine {
	tb.Helper()
	e, err := New(context.Background(), enginetest.Box{}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// ringFor returns a key ring of a test's own.
func ringFor(t *testing.T, s *gcpkmstest.Server) string {
	t.Helper()
	id := strings.Map(func(r rune) rune {
		if !gcp.ValidID(string(r)) {
			return '_'
		}
		return r
	}, t.Name())
	return s.NewKeyRing(id[max(0, len(id)-50):])
}

// operator is somebody else who uses the service.
type operator struct {
	*kms.KeyManagementClient
	ring string
}

func newOperator(tb testing.TB, o Options) *operator {
	tb.Helper()
	e := newEngine(tb, o)
	c, err := e.service.get(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return &operator{c, o.KeyRing}
}

// makeKey makes a key with a version, and returns its name and that of the
// version once that can be used.
func (o *operator) makeKey(tb testing.TB, id string, p kmspb.CryptoKey_CryptoKeyPurpose, a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm, l kmspb.ProtectionLevel) (string, string) {
	tb.Helper()
	k, err := o.CreateCryptoKey(tb.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: o.ring, CryptoKeyId: id, CryptoKey: &kmspb.CryptoKey{
			Purpose: p, VersionTemplate: &kmspb.CryptoKeyVersionTemplate{Algorithm: a, ProtectionLevel: l},
		},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return k.GetName(), o.wait(tb, k.GetName()+"/cryptoKeyVersions/1")
}

// addVersion makes another version.
func (o *operator) addVersion(tb testing.TB, name string) string {
	tb.Helper()
	v, err := o.CreateCryptoKeyVersion(tb.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: name, CryptoKeyVersion: &kmspb.CryptoKeyVersion{}})
	if err != nil {
		tb.Fatal(err)
	}
	return o.wait(tb, v.GetName())
}

func (o *operator) wait(tb testing.TB, version string) string {
	tb.Helper()
	for {
		v, err := o.GetCryptoKeyVersion(tb.Context(), &kmspb.GetCryptoKeyVersionRequest{Name: version})
		if err != nil {
			tb.Fatal(err)
		}
		if v.GetState() != kmspb.CryptoKeyVersion_PENDING_GENERATION {
			return version
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// noRSA are the algorithms that RSA keys do not have, by default.
func noRSA(also ...alg.Algorithm) map[alg.Spec][]alg.Algorithm {
	no := append([]alg.Algorithm{alg.OAEPSHA1, alg.PSSSHA256, alg.PSSSHA384, alg.PSSSHA512}, also...)
	return map[alg.Spec][]alg.Algorithm{
		alg.RSA2048: no, alg.RSA3072: no, alg.RSA4096: no, alg.Ed25519: {alg.Ed25519ph},
	}
}

// gaps are what an engine lacks at a protection level.
func gaps(level string) enginetest.Config {
	c := enginetest.Config{
		Unsupported: []alg.Spec{alg.P521, alg.Secp256k1},
		Without:     []alg.Usage{alg.KeyTransfer, alg.KeyAgreement},
		NoAlgorithm: noRSA(),
		NoImport:    []alg.Spec{alg.MLDSA44, alg.MLDSA65, alg.MLDSA87},
		NoExport:    alg.Specs(), NoUnwrap: alg.Specs(), NoWrapExport: alg.Specs(),
		NoFurther: true,
		Restricts: true, Varies: true, Bound: true,
	}
	if level == "HSM" {
		c.Unsupported = []alg.Spec{alg.P521, alg.MLDSA44, alg.MLDSA65, alg.MLDSA87}
		c.NoImport = nil
	}
	return c
}

// TestEngine runs the contract.
func TestEngine(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	c := gaps("SOFTWARE")
	c.New = func(t *testing.T) engine.Engine {
		o := options(s)
		o.KeyRing = ringFor(t, s)
		return newEngine(t, o)
	}
	c.Adopt = func(t *testing.T, e engine.Engine, spec alg.Spec) string {
		mine, _ := e.(*Engine)
		o := &operator{ring: mine.ring.String()}
		var err error
		if o.KeyManagementClient, err = mine.service.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		row := rowOf(t, mine, spec)
		key, version := o.makeKey(t, "by-the-operator-"+spec.String(), row.Purpose, row.Algorithm, mine.level)
		if spec == alg.P256 {
			return version
		}
		return key
	}
	enginetest.Test(t, c)
}

// TestEngineHSM has what keys in HSMs have and others do not, and the reverse.
func TestEngineHSM(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	o.Level = "HSM"
	e := newEngine(t, o)
	for _, spec := range alg.Specs() {
		for _, u := range alg.Usages() {
			want := spec.Allows(u) && u != alg.KeyTransfer && u != alg.KeyAgreement && u != alg.RawEncryptDecrypt && !strings.HasPrefix(spec.String(), "ml-dsa") && spec != alg.P521
			if got := e.Supports(spec, u); got != want {
				t.Errorf("Supports(%s, %s) = %t", spec, u, got)
			}
		}
	}
	for i, spec := range []alg.Spec{alg.Secp256k1, alg.AES256, alg.HMAC256} {
		m, k := enginetest.Generate(t, e, engine.Ref{Realm: key.DefaultRealm, ID: "11111111-1111-4111-8111-111111111111", Version: key.VersionNumber(i + 1)}, spec)
		use(t, spec, m, k)
	}
}

// TestFaults has the service misbehave.
func TestFaults(t *testing.T) {
	t.Parallel()
	remotetest.Test(t, remotetest.Config{
		New: func(t *testing.T) (engine.Engine, remotetest.Service) {
			s := gcpkmstest.Start(t)
			o := options(s)
			o.Settings = remotetest.Settings("google")
			o.Log = slog.New(slog.DiscardHandler)
			return newEngine(t, o), s
		},
		Spec: alg.P256, Expires: true,
	})
}

// use uses a key with all that it has.
func use(t *testing.T, spec alg.Spec, m engine.Material, k *engine.Key) {
	t.Helper()
	message := engine.Message{Form: alg.Raw, Bytes: []byte("a message")}
	switch {
	case k.AEAD != nil:
		box, err := k.AEAD.Seal(nil, message.Bytes, []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.AEAD.Open(nil, box, []byte("context")); err != nil || !bytes.Equal(got, message.Bytes) {
			t.Errorf("%s opens %q, %v", spec, got, err)
		}
	case k.MAC != nil:
		code, err := k.MAC.Sum(nil, message.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		a := spec.For(alg.GenerateVerifyMAC)[0]
		if err := k.Verifier.Verify(a, message, code); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
		code[0] ^= 1
		for _, bad := range [][]byte{code, code[1:], nil} {
			if err := k.Verifier.Verify(a, message, bad); fault.KindOf(err) != fault.BadSignature {
				t.Errorf("%s, another code: %v", spec, err)
			}
		}
	default:
		public, err := engine.ParsePublic(spec, m.Public)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range k.Algorithms {
			if a.Info().Scheme == alg.OAEP {
				ciphertext, err := public.Encrypt(a, message.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := engine.Decrypt(k.Decrypter, a, ciphertext); err != nil || !bytes.Equal(got, message.Bytes) {
					t.Errorf("%s, %s decrypts %q, %v", spec, a, got, err)
				}
				continue
			}
			signature, err := engine.Sign(k.Signer, a, message)
			if err == nil {
				err = public.Verify(a, message, signature)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", spec, a, err)
			}
		}
	}
}

// rowOf returns what new keys of a spec are.
func rowOf(t *testing.T, e *Engine, spec alg.Spec) gcp.Row {
	t.Helper()
	row, ok := e.choose(spec, spec.Info().Usages[0])
	if !ok {
		t.Fatalf("there is no %s", spec)
	}
	return row
}

// sealed returns a reference as it is kept.
func sealed(t *testing.T, e *Engine, ref engine.Ref, spec alg.Spec, r *remote.Reference) []byte {
	t.Helper()
	m, err := remote.Seal(e.box, ref, spec, r)
	if err != nil {
		t.Fatal(err)
	}
	return m.Wrapped
}
