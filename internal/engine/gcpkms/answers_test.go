package gcpkms

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// TestWrongAnswers: answers with wrong checksums, without the word that those of
// the request arrived, or with another key's name are asked for again, and told
// of when there are no others.
func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	o.Level = "HSM"
	maker := newEngine(t, o)
	materials := map[alg.Spec]engine.Material{}
	keys := map[alg.Spec]*engine.Key{}
	for _, spec := range []alg.Spec{alg.P256, alg.Ed25519, alg.HMAC256, alg.AES256, alg.RSA2048} {
		materials[spec], keys[spec] = enginetest.Generate(t, maker, enginetest.NewRef(key.ID(spec.String())), spec)
	}
	message := engine.Message{Form: alg.Raw, Bytes: []byte("message")}
	box, err := keys[alg.AES256].AEAD.Seal(nil, message.Bytes, []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := keys[alg.HMAC256].MAC.Sum(nil, message.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	public, err := engine.ParsePublic(alg.RSA2048, materials[alg.RSA2048].Public)
	if err != nil {
		t.Fatal(err)
	}
	ciphertext, err := public.Encrypt(alg.OAEPSHA256, message.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	const sums, words, names = gcpkmstest.Checksum, gcpkmstest.Unverified, gcpkmstest.Name
	all := []gcpkmstest.Wrong{sums, words, names}
	for name, tt := range map[string]struct {
		spec    alg.Spec
		notices []gcpkmstest.Wrong // what the answers have
		do      func(e *Engine, k *engine.Key) error
	}{
		"sign a digest": {alg.P256, all, func(_ *Engine, k *engine.Key) error {
			_, err := engine.Sign(k.Signer, alg.ECDSASHA256, message)
			return err
		}},
		"sign a message": {alg.Ed25519, all, func(_ *Engine, k *engine.Key) error {
			_, err := engine.Sign(k.Signer, alg.Ed25519Pure, message)
			return err
		}},
		"compute a code": {alg.HMAC256, all, func(_ *Engine, k *engine.Key) error {
			got, err := k.MAC.Sum(nil, message.Bytes)
			return same(got, code, err)
		}},
		"verify a code": {alg.HMAC256, []gcpkmstest.Wrong{words, names}, func(_ *Engine, k *engine.Key) error {
			return k.Verifier.Verify(alg.HMACSHA256, message, code)
		}},
		"encrypt": {alg.AES256, all, func(_ *Engine, k *engine.Key) error {
			_, err := k.AEAD.Seal(nil, message.Bytes, nil)
			return err
		}},
		"decrypt": {alg.AES256, []gcpkmstest.Wrong{sums}, func(_ *Engine, k *engine.Key) error {
			got, err := k.AEAD.Open(nil, box, []byte("context"))
			return same(got, message.Bytes, err)
		}},
		"decrypt OAEP": {alg.RSA2048, []gcpkmstest.Wrong{sums, words}, func(_ *Engine, k *engine.Key) error {
			got, err := engine.Decrypt(k.Decrypter, alg.OAEPSHA256, ciphertext)
			return same(got, message.Bytes, err)
		}},
		"make a key": {alg.P256, []gcpkmstest.Wrong{sums, names}, func(e *Engine, _ *engine.Key) error {
			_, err := e.Generate(t.Context(), enginetest.NewRef("again"), engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
			return err
		}},
		"random": {alg.P256, []gcpkmstest.Wrong{sums}, func(e *Engine, _ *engine.Key) error {
			return e.Random(t.Context(), make([]byte, 32))
		}},
	} {
		for _, w := range tt.notices {
			e := newEngine(t, o) // with a budget of its own
			k, err := e.Open(t.Context(), enginetest.NewRef(key.ID(tt.spec.String())), tt.spec, materials[tt.spec].Wrapped)
			if err != nil {
				t.Fatal(err)
			}
			s.Answer(w, 0, 2)
			if err := tt.do(e, k); err != nil {
				t.Errorf("%s, twice wrong in the way %d: %v", name, w, err)
			}
			s.Answer(w, 0, 1<<30)
			err = tt.do(e, k)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Kind != fault.Unavailable || f.Err == nil || f.Public != "the answers of the key service do not arrive as they should" {
				t.Errorf("%s, always wrong in the way %d: %v", name, w, err)
			}
			s.Answer(w, 0, 0)
			least := int64(5)
			if name == "make a key" && w == sums {
				least = 4 // the two wrong answers are to calls before that for the public key, and have no checksum
			}
			if h := e.Health(); h.State != remote.StateOK || h.Failures < least {
				t.Errorf("%s, in the way %d: the service answers, and is %+v", name, w, h)
			}
		}
	}
}

func same(got, want []byte, err error) error {
	if err == nil && !bytes.Equal(got, want) {
		return fault.New(fault.Internal, "got %q", got)
	}
	return err
}

// TestRandom: as many bytes as are asked for, from an HSM where there is one.
func TestRandom(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	for level, asks := range map[string]int{"SOFTWARE": 0, "HSM": 3} {
		o := options(s)
		o.Level = level
		e := newEngine(t, o)
		before := s.Requests()
		b := make([]byte, 2*maxRandom+3)
		if err := e.Random(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, make([]byte, 16)) {
			t.Errorf("%s: %x is not random", level, b)
		}
		if n := s.Requests() - before; n != asks {
			t.Errorf("%s: %d requests, want %d", level, n, asks)
		}
	}
}
