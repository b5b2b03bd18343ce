package holdfast_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast"
)

// broken is a crypto.Signer that answers what it is told to, and counts.
type broken struct {
	crypto.Signer
	err   error
	calls int
}

func (b *broken) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	b.calls++
	if b.err != nil {
		return nil, b.err
	}
	return b.Signer.Sign(random, digest, opts)
}

// down is what a place says that is out of reach, no what one says that does
// not take a request.
func down() error { return &holdfast.Error{Kind: holdfast.Unavailable, Detail: "out of reach"} }
func no() error   { return &holdfast.Error{Kind: holdfast.WrongState, Detail: "disabled"} }

// file makes a key in a file.
func file(t *testing.T, spec string) *holdfast.Key {
	t.Helper()
	uri := "file:" + filepath.Join(t.TempDir(), "key")
	if spec == "hmac-256" {
		uri += "?spec=" + spec
	}
	k, err := holdfast.Create(t.Context(), uri, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, k) })
	return k
}

// places are a program's own: keys by their names.
type places map[string]*holdfast.Key

func (p places) Open(_ context.Context, name string) (*holdfast.Key, error) {
	if k := p[name]; k != nil {
		return k, nil
	}
	return nil, down()
}

func (places) Close() error { return nil }

func TestProviders(t *testing.T) {
	k := file(t, "p-256")
	dir := filepath.Dir(k.URI()[len("file:"):])
	place, err := holdfast.Connect(t.Context(), "file:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	p := holdfast.NewProviders()
	for _, name := range []string{"local", "b"} {
		if err := p.Register(name, place); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, p.Register("local", place), holdfast.AlreadyExists)
	wantKind(t, p.Register("", place), holdfast.InvalidArgument)
	wantKind(t, p.Register("c", nil), holdfast.InvalidArgument)
	if names := p.Names(); !slices.Equal(names, []string{"b", "local"}) {
		t.Errorf("the names are %v", names)
	}
	if got, err := p.Get("local"); err != nil || got != place {
		t.Errorf("%v, %v", got, err)
	}
	_, err = p.Get("aws")
	wantKind(t, err, holdfast.NotFound)
	signature, err := p.Sign(t.Context(), "local", "key", []byte("m"), "ecdsa-sha256")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context(), "local", "key", []byte("m"), signature, ""); err != nil {
		t.Error(err)
	}
	one, err := p.Open(t.Context(), "local", "key")
	two, err2 := p.Open(t.Context(), "local", "key")
	if err != nil || err2 != nil || one != two {
		t.Errorf("a key is opened twice: %v, %v", err, err2)
	}
	_, err = p.Sign(t.Context(), "gone", "key", nil, "")
	wantKind(t, err, holdfast.NotFound)
	_, err = p.Sign(t.Context(), "local", "other", nil, "")
	wantKind(t, err, holdfast.NotFound)
	wantKind(t, p.Verify(t.Context(), "gone", "key", nil, nil, ""), holdfast.NotFound)
	closed(t, p)
	if len(p.Names()) != 0 {
		t.Error("a closed registry has providers")
	}
}

// TestFailOver has one place after the other fail. Time is the test's own.
func TestFailOver(t *testing.T) {
	genuine := file(t, "p-256")
	synctest.Test(t, func(t *testing.T) {
		one, two := &broken{Signer: genuine}, &broken{Signer: genuine}
		k, err := holdfast.FailOver(key(t, "one", one), key(t, "two", two))
		if err != nil {
			t.Fatal(err)
		}
		signs := func(when string, wantOne, wantTwo int, want holdfast.Kind) {
			t.Helper()
			one.calls, two.calls = 0, 0
			sum := sha256.Sum256([]byte("m"))
			signature, err := k.Sign(nil, sum[:], crypto.SHA256)
			if holdfast.KindOf(err) != want || one.calls != wantOne || two.calls != wantTwo {
				t.Errorf("%s: %d and %d calls, %v; want %d and %d, %q", when, one.calls, two.calls, err, wantOne, wantTwo, want)
			}
			if err == nil {
				if err := genuine.VerifyDigest(t.Context(), "", sum[:], signature); err != nil {
					t.Errorf("%s: %v", when, err)
				}
			}
		}
		signs("both serve", 1, 0, "")
		one.err = down()
		signs("the first is away", 1, 1, "")
		signs("it rests", 0, 1, "")
		two.err = down()
		signs("both are away", 1, 1, holdfast.Unavailable)
		one.err, two.err = nil, nil
		time.Sleep(6 * time.Second)
		signs("both are back", 1, 0, "")
		one.err = no()
		signs("the key is disabled in one", 1, 0, holdfast.WrongState)
		one.err = errors.New("something else")
		signs("a place fails in its own way", 1, 1, "")
	})
}

// key returns a key that a program's own signer has.
func key(t *testing.T, uri string, private any) *holdfast.Key {
	t.Helper()
	k, err := holdfast.NewKey(uri, private)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFailOverSame: keys that are not the same are none together.
func TestFailOverSame(t *testing.T) {
	a, b, mac, aes := file(t, "p-256"), file(t, "p-256"), file(t, "hmac-256"), file(t, "aes-256")
	for name, keys := range map[string][]*holdfast.Key{
		"other keys": {a, b}, "other types": {a, mac}, "other secrets": {mac, file(t, "hmac-256")}, "other AES keys": {aes, file(t, "aes-256")},
	} {
		_, err := holdfast.FailOver(keys...)
		if holdfast.KindOf(err) != holdfast.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := holdfast.FailOver()
	wantKind(t, err, holdfast.Unavailable)
	again, err := holdfast.Open(t.Context(), mac.URI())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, again)
	both, err := holdfast.FailOver(mac, again)
	if err != nil {
		t.Fatal(err)
	}
	tryMAC(t, both)
	same, err := holdfast.Open(t.Context(), aes.URI())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, same)
	if both, err = holdfast.FailOver(aes, same); err != nil {
		t.Fatal(err)
	}
	tryAEAD(t, both)
	rsa := file(t, "rsa-2048")
	if both, err = holdfast.FailOver(rsa, rsa); err != nil {
		t.Fatal(err)
	}
	trySigner(t, both)
	decrypts(t, both)
	agrees(t, a, a)
}

func decrypts(t *testing.T, k *holdfast.Key) {
	t.Helper()
	ciphertext, err := k.Encrypt("", []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := k.Decrypter()
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := d.Decrypt(nil, ciphertext, oaep()); err != nil || string(plain) != "m" {
		t.Errorf("%q, %v", plain, err)
	}
}

func agrees(t *testing.T, keys ...*holdfast.Key) {
	t.Helper()
	both, err := holdfast.FailOver(keys...)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := both.Agreement()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := keys[0].Agreement()
	if err != nil {
		t.Fatal(err)
	}
	one, err := ours.ECDH(theirs.PublicKey())
	two, err2 := theirs.ECDH(ours.PublicKey())
	if err != nil || err2 != nil || string(one) != string(two) {
		t.Errorf("they do not agree: %v, %v", err, err2)
	}
}

// TestFailOverAway: a provider that is away when the keys are gathered is asked
// when it is needed, and only for the same key.
func TestFailOverAway(t *testing.T) {
	genuine, other := file(t, "p-256"), file(t, "p-256")
	one := &broken{Signer: genuine}
	first, second := places{"k": key(t, "one", one)}, places{}
	p := holdfast.NewProviders()
	for name, place := range map[string]places{"first": first, "second": second} {
		if err := p.Register(name, place); err != nil {
			t.Fatal(err)
		}
	}
	k, err := p.FailOver(t.Context(), holdfast.Ref{Provider: "second", Key: "k"}, holdfast.Ref{Provider: "first", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	trySigner(t, k)
	one.err = down()
	_, err = k.SignWith(t.Context(), "", []byte("m"))
	wantKind(t, err, holdfast.Unavailable)
	second["k"] = key(t, "two", &broken{Signer: genuine})
	trySigner(t, k)

	_, err = p.FailOver(t.Context(), holdfast.Ref{Provider: "second", Key: "none"}, holdfast.Ref{Provider: "first", Key: "none"})
	wantKind(t, err, holdfast.Unavailable)
	second["x"] = key(t, "another", other)
	_, err = p.FailOver(t.Context(), holdfast.Ref{Provider: "first", Key: "k"}, holdfast.Ref{Provider: "second", Key: "x"})
	wantKind(t, err, holdfast.Conflict)
	closed(t, p)
}

// TestNewKey has what is a key, and what is none.
func TestNewKey(t *testing.T) {
	for _, spec := range []string{"p-256", "ed25519", "rsa-2048", "secp256k1"} {
		k := key(t, "mine", file(t, spec))
		trySigner(t, k)
		tryCertificates(t, k)
	}
	_, err := holdfast.NewKey("mine", "no key")
	wantKind(t, err, holdfast.Unsupported)
	if _, err := os.Stat("mine"); err == nil {
		t.Error("a file was made")
	}
}
