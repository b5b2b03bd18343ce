package remote_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// publics are the public halves of a key of each spec. They are made once: RSA
// takes its time.
var publics = sync.OnceValue(func() map[alg.Spec]*engine.PublicKey { return map[alg.Spec]*engine.PublicKey{} })

// specs are one of each type: the sizes of RSA are all the same here, and take
// their time.
func specs() []alg.Spec {
	return slices.DeleteFunc(alg.Specs(), func(s alg.Spec) bool { return s == alg.RSA3072 || s == alg.RSA4096 })
}

// publicOf returns the public half of some key of a spec.
func publicOf(t *testing.T, spec alg.Spec) *engine.PublicKey {
	t.Helper()
	if spec.Symmetric() {
		return nil
	}
	if p, ok := publics()[spec]; ok {
		return p
	}
	plain, err := engine.ParsePlain(spec, enginetest.NewPlain(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	spki, err := engine.MarshalPublic(spec, plain.Public)
	if err != nil {
		t.Fatal(err)
	}
	p, err := engine.ParsePublic(spec, spki)
	if err != nil {
		t.Fatal(err)
	}
	publics()[spec] = p
	return p
}

// reference returns that of a key which does all that its spec has.
func reference(t *testing.T, spec alg.Spec) *remote.Reference {
	t.Helper()
	r := &remote.Reference{Name: "the key's name"}
	if p := publicOf(t, spec); p != nil {
		r.Public = p.SPKI()
	}
	r.Does(spec.Info().Usages, spec.Info().Algorithms)
	return r
}

// line returns one that nothing is sent on: the operations of the tests answer
// themselves.
func line() *remote.Line {
	return remote.NewLine(remote.Settings{Name: "far", Timeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, nil)
}

// asked is what a service was asked to do.
type asked struct {
	What      string
	Key       string
	Algorithm alg.Algorithm
	Form      alg.Form
	Bytes     []byte
	More      []byte
}

// service answers every operation with its own name, and notes what it was.
type service struct {
	t    *testing.T
	last asked
	err  error
	code []byte
}

func (s *service) answer(ctx context.Context, a asked, r *remote.Reference) ([]byte, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > time.Minute {
		s.t.Errorf("%s may take until %v", a.What, end)
	}
	a.Key = r.Name
	a.Bytes, a.More = bytes.Clone(a.Bytes), bytes.Clone(a.More)
	s.last = a
	if s.err != nil {
		return nil, s.err
	}
	return []byte(a.What), nil
}

func (s *service) operations() *remote.Operations {
	return &remote.Operations{
		Sign: func(ctx context.Context, r *remote.Reference, a alg.Algorithm, m engine.Message) ([]byte, error) {
			return s.answer(ctx, asked{What: "sign", Algorithm: a, Form: m.Form, Bytes: m.Bytes}, r)
		},
		Verify: func(ctx context.Context, r *remote.Reference, a alg.Algorithm, m engine.Message, signature []byte) error {
			_, err := s.answer(ctx, asked{What: "verify", Algorithm: a, Form: m.Form, Bytes: m.Bytes, More: signature}, r)
			return err
		},
		Decrypt: func(ctx context.Context, r *remote.Reference, a alg.Algorithm, ciphertext []byte) ([]byte, error) {
			return s.answer(ctx, asked{What: "decrypt", Algorithm: a, Bytes: ciphertext}, r)
		},
		Seal: func(ctx context.Context, r *remote.Reference, plaintext, associated []byte) ([]byte, error) {
			return s.answer(ctx, asked{What: "seal", Bytes: plaintext, More: associated}, r)
		},
		Unseal: func(ctx context.Context, r *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
			return s.answer(ctx, asked{What: "unseal", Bytes: ciphertext, More: associated}, r)
		},
		MAC: func(ctx context.Context, r *remote.Reference, a alg.Algorithm, message []byte) ([]byte, error) {
			_, err := s.answer(ctx, asked{What: "mac", Algorithm: a, Bytes: message}, r)
			return s.code, err
		},
		Overhead: 77,
	}
}

// opened returns a key of a spec, with operations that change has changed.
func opened(t *testing.T, spec alg.Spec, change func(*remote.Operations)) (*service, *engine.Key) {
	t.Helper()
	s := &service{t: t}
	o := s.operations()
	if change != nil {
		change(o)
	}
	k, err := remote.Open(line(), o, spec, reference(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	return s, k
}

// TestOpen says which halves a key has, and what it says of itself.
func TestOpen(t *testing.T) {
	for _, spec := range specs() {
		_, k := opened(t, spec, nil)
		_, less := opened(t, spec, func(o *remote.Operations) { o.Verify = nil })
		family := spec.Info().Family
		for _, half := range []struct {
			name      string
			got, want bool
		}{
			{"Signer", k.Signer != nil, !spec.Symmetric()},
			{"Decrypter", k.Decrypter != nil, family == alg.RSA},
			{"AEAD", k.AEAD != nil, family == alg.AES},
			{"MAC", k.MAC != nil, family == alg.HMAC},
			{"Verifier", k.Verifier != nil, family != alg.AES},
			{"Verifier, of a service that does not verify", less.Verifier != nil, false},
			{"Unwrapper", k.Unwrapper != nil, false},
		} {
			if half.got != half.want {
				t.Errorf("%s of %s is there: %t, want %t", half.name, spec, half.got, half.want)
			}
		}
		for _, half := range []any{k.Signer, k.Decrypter, k.AEAD, k.MAC, k.Verifier} {
			if text := fmt.Sprintf("%+v %v", half, half); half != nil && !strings.Contains(text, "<nil>") && text != "the key's name the key's name" {
				t.Errorf("a key of type %s shows %s", spec, text)
			}
		}
		if !slices.Equal(k.Algorithms, spec.Info().Algorithms) {
			t.Errorf("a key of type %s has %v", spec, k.Algorithms)
		}
	}
	for name, public := range map[string][]byte{"none": nil, "of another spec": publicOf(t, alg.P384).SPKI(), "nonsense": {1}} {
		r := reference(t, alg.P256)
		r.Public = public
		if _, err := remote.Open(line(), (&service{}).operations(), alg.P256, r); fault.KindOf(err) != fault.Internal || err == nil {
			t.Errorf("a public half that is %s: %v", name, err)
		}
	}
}

// TestSign says what a service is asked to sign, of every algorithm and form.
func TestSign(t *testing.T) {
	for _, spec := range specs() {
		for _, a := range spec.For(alg.SignVerify) {
			s, k := opened(t, spec, nil)
			if k.Signer.Public() == nil {
				t.Fatal("no public half")
			}
			for _, form := range a.Info().Forms {
				m := engine.Message{Form: form, Bytes: bytes.Repeat([]byte{7}, 64)}
				h := a.Info().Hash
				if form == alg.Digest {
					m.Bytes = m.Bytes[:h.Size()]
				}
				want := asked{What: "sign", Key: "the key's name", Algorithm: a, Form: form, Bytes: m.Bytes}
				if h != 0 && form == alg.Raw {
					sum := h.New()
					sum.Write(m.Bytes)
					want.Form, want.Bytes = alg.Digest, sum.Sum(nil)
				}
				got, err := engine.Sign(k.Signer, a, m)
				if err != nil || string(got) != "sign" {
					t.Errorf("%s, %s, form %d: %q, %v", spec, a, form, got, err)
				}
				if diff := cmp.Diff(want, s.last); diff != "" {
					t.Errorf("%s, %s, form %d (-want +got):\n%s", spec, a, form, diff)
				}
			}
		}
	}
	_, k := opened(t, alg.P256, nil)
	for name, opts := range map[string]crypto.SignerOpts{"another hash": crypto.SHA384, "none": nil} {
		if _, err := k.Signer.Sign(rand.Reader, make([]byte, 32), opts); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, k := opened(t, alg.Ed25519, nil) // whose options may be none
	if _, err := k.Signer.Sign(nil, []byte("message"), nil); err != nil || s.last.Form != alg.Raw || s.last.Algorithm != alg.Ed25519Pure {
		t.Errorf("no options: %+v, %v", s.last, err)
	}
}

// TestDecrypt says what a service is asked to decrypt.
func TestDecrypt(t *testing.T) {
	s, k := opened(t, alg.RSA2048, nil)
	for _, a := range alg.RSA2048.For(alg.EncryptDecrypt) {
		got, err := engine.Decrypt(k.Decrypter, a, make([]byte, 256))
		if err != nil || string(got) != "decrypt" || s.last.Algorithm != a || len(s.last.Bytes) != 256 {
			t.Errorf("%s: %q, %v, and it was asked %+v", a, got, err, s.last)
		}
	}
	for name, opts := range map[string]crypto.DecrypterOpts{
		"another type": "PKCS #1 v1.5", "none": nil, "a label": &rsa.OAEPOptions{Hash: crypto.SHA256, Label: []byte("x")},
		"SHA-512": &rsa.OAEPOptions{Hash: crypto.SHA512}, "two hashes": &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1},
	} {
		if _, err := k.Decrypter.Decrypt(nil, make([]byte, 256), opts); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerify says what a service is asked to check.
func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		spec alg.Spec
		a    alg.Algorithm
	}{{alg.P256, alg.ECDSASHA256}, {alg.HMAC256, alg.HMACSHA256}, {alg.MLDSA44, alg.MLDSAPure}} {
		s, k := opened(t, tt.spec, nil)
		m := engine.Message{Form: alg.Raw, Bytes: []byte("message")}
		if err := k.Verifier.Verify(tt.a, m, []byte("signature")); err != nil {
			t.Errorf("%s: %v", tt.spec, err)
		}
		want := asked{What: "verify", Key: "the key's name", Algorithm: tt.a, Form: alg.Raw, Bytes: m.Bytes, More: []byte("signature")}
		if diff := cmp.Diff(want, s.last); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.spec, diff)
		}
		s.err = fault.New(fault.BadSignature, "no")
		if err := k.Verifier.Verify(tt.a, m, nil); !errors.Is(err, s.err) {
			t.Errorf("%s: %v", tt.spec, err)
		}
		if err := k.Verifier.Verify(alg.ECDSASHA512, m, nil); fault.ReasonOf(err) != fault.WrongAlgorithm {
			t.Errorf("%s, another algorithm: %v", tt.spec, err)
		}
	}
}

// TestAEAD says what a service is asked to encrypt, and that results are
// appended.
func TestAEAD(t *testing.T) {
	s, k := opened(t, alg.AES256, nil)
	if n := k.AEAD.Overhead(); n != 77 {
		t.Errorf("the overhead is %d", n)
	}
	for _, tt := range []struct {
		what string
		do   func(dst, in, associated []byte) ([]byte, error)
	}{{"seal", k.AEAD.Seal}, {"unseal", k.AEAD.Open}} {
		s.err = nil
		got, err := tt.do([]byte("head "), []byte("in"), []byte("associated"))
		if err != nil || string(got) != "head "+tt.what {
			t.Errorf("%s: %q, %v", tt.what, got, err)
		}
		want := asked{What: tt.what, Key: "the key's name", Bytes: []byte("in"), More: []byte("associated")}
		if diff := cmp.Diff(want, s.last); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
		s.err = fault.New(fault.Unavailable, "away")
		if _, err := tt.do(nil, nil, nil); !errors.Is(err, s.err) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// TestMAC says that a code is appended, and refused when it has another length
// than the hash.
func TestMAC(t *testing.T) {
	s, k := opened(t, alg.HMAC384, nil)
	s.code = bytes.Repeat([]byte{9}, 48)
	got, err := k.MAC.Sum([]byte("head"), []byte("message"))
	if err != nil || !bytes.Equal(got, append([]byte("head"), s.code...)) || s.last.Algorithm != alg.HMACSHA384 {
		t.Errorf("%x, %v, and it was asked %+v", got, err, s.last)
	}
	s.code = s.code[1:]
	if _, err := k.MAC.Sum(nil, []byte("message")); fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("a short code: %v", err)
	}
	s.err = fault.New(fault.Unavailable, "away")
	if _, err := k.MAC.Sum(nil, []byte("message")); !errors.Is(err, s.err) {
		t.Error(err)
	}
	for other, want := range map[string]bool{"code": true, "Code": false, "cod": false, "": false} {
		if got := remote.SameCode([]byte("code"), []byte(other)); got != want {
			t.Errorf("%q is the same code: %t", other, got)
		}
	}
}

// TestLacks says what becomes of an operation that the service does not have,
// and of one that the key is not for.
func TestLacks(t *testing.T) {
	uses := map[alg.Spec]map[string]func(*engine.Key) error{
		alg.RSA2048: {
			"sign": func(k *engine.Key) error {
				_, err := engine.Sign(k.Signer, alg.PSSSHA256, engine.Message{Form: alg.Raw})
				return err
			},
			"decrypt": func(k *engine.Key) error {
				_, err := engine.Decrypt(k.Decrypter, alg.OAEPSHA256, make([]byte, 256))
				return err
			},
		},
		alg.AES256: {
			"encrypt": func(k *engine.Key) error { _, err := k.AEAD.Seal(nil, nil, nil); return err },
			"decrypt": func(k *engine.Key) error { _, err := k.AEAD.Open(nil, nil, nil); return err },
		},
		alg.HMAC256: {"compute": func(k *engine.Key) error { _, err := k.MAC.Sum(nil, nil); return err }},
	}
	for spec, all := range uses {
		none, err := remote.Open(line(), &remote.Operations{}, spec, reference(t, spec))
		if err != nil {
			t.Fatal(err)
		}
		r := reference(t, spec)
		r.Does(nil, nil)
		idle, err := remote.Open(line(), (&service{t: t}).operations(), spec, r)
		if err != nil {
			t.Fatal(err)
		}
		for name, use := range all {
			if err := use(none); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), name) {
				t.Errorf("%s by a service that does not: %v", name, err)
			}
			if err := use(idle); fault.ReasonOf(err) != fault.WrongUsage {
				t.Errorf("%s with a key that is for nothing: %v", name, err)
			}
			if idle.Verifier != nil {
				a := spec.Info().Algorithms[len(spec.Info().Algorithms)-1]
				if err := idle.Verifier.Verify(a, engine.Message{}, nil); fault.ReasonOf(err) != fault.WrongUsage {
					t.Errorf("verify with a key that is for nothing: %v", err)
				}
			}
		}
	}
}
