package envelope_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/envelope"
)

// box is a key of AES-GCM in memory, with methods as tink's AEAD has them.
type box struct{ aead cipher.AEAD }

func newBox(tb testing.TB) box {
	tb.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		tb.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		tb.Fatal(err)
	}
	return box{aead}
}

func (b box) Encrypt(plaintext, ad []byte) ([]byte, error) {
	return b.aead.Seal(nil, nil, plaintext, ad), nil
}

func (b box) Decrypt(ciphertext, ad []byte) ([]byte, error) {
	return b.aead.Open(nil, nil, ciphertext, ad)
}

// down is a key that is out of reach.
type down string

func (d down) URI() string { return string(d) }

func (d down) Wrap(context.Context, []byte, []byte) (envelope.Method, []byte, error) {
	return "", nil, fmt.Errorf("%s is down", string(d))
}

func (d down) Unwrap(context.Context, envelope.Stanza, []byte) ([]byte, error) {
	return nil, fmt.Errorf("%s is down", string(d))
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newRSA(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	k, err := rsaKey()
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// seal encrypts data.
func seal(tb testing.TB, data []byte, recipients ...envelope.Recipient) []byte {
	tb.Helper()
	var file bytes.Buffer
	w, err := envelope.Encrypt(tb.Context(), &file, recipients...)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// open decrypts a file.
func open(tb testing.TB, file []byte, identities ...envelope.Identity) ([]byte, error) {
	tb.Helper()
	r, err := envelope.Decrypt(tb.Context(), bytes.NewReader(file), identities...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// sizes are lengths of data around the borders of chunks.
var sizes = []int{0, 1, 1<<16 - 1, 1 << 16, 1<<16 + 1, 2 << 16, 3<<16 + 5}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	k := envelope.NewAEAD("file:a.key", newBox(t))
	for _, size := range sizes {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := pattern(size)
			file := seal(t, data, k)
			got, err := open(t, file, k)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes come back, and %v", len(got), err)
			}
			chunks := max(1, (size+1<<16-1)>>16)
			if want := 20 + 4 + 16 + 2 + (1 + 4) + (2 + 10) + (2 + 12 + 32 + 16) + 32 + size + 16*chunks; len(file) != want {
				t.Errorf("the file has %d bytes, not %d", len(file), want)
			}
		})
	}
}

// The writer takes pieces of any size, and the reader gives them.
func TestPieces(t *testing.T) {
	k, data := envelope.NewAEAD("file:a.key", newBox(t)), pattern(200_000)
	var file bytes.Buffer
	w, err := envelope.Encrypt(t.Context(), &file, k)
	if err != nil {
		t.Fatal(err)
	}
	for rest, n := data, 1; len(rest) > 0; n = n*3 + 1 {
		n, err = w.Write(rest[:min(n, len(rest))])
		if err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte("more")); n != 0 || err == nil {
		t.Errorf("after Close: Write returns %d, %v", n, err)
	}
	if err := w.Close(); err == nil {
		t.Error("Close succeeds twice")
	}
	r, err := envelope.Decrypt(t.Context(), &file, k)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for piece := make([]byte, 777); ; {
		n, err := r.Read(piece)
		got = append(got, piece[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, data) {
		t.Error("other data comes back")
	}
}

// Every recipient decrypts, alone and while the others are down.
func TestAnyRecipient(t *testing.T) {
	a, b, k := newBox(t), newBox(t), newRSA(t)
	public := func(uri string, hash crypto.Hash) envelope.Recipient {
		r, err := envelope.NewRSA(uri, &k.PublicKey, hash)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	data := []byte("for several clouds")
	file := seal(t, data, envelope.NewAEAD("one:a", a), envelope.NewAEAD("two:b", b), public("three:c", crypto.SHA256), public("four:d", crypto.SHA1))
	tests := []struct {
		name       string
		identities []envelope.Identity
		fails      []string // what the error names; empty: it decrypts
	}{
		{"the first", []envelope.Identity{envelope.NewAEAD("one:a", a)}, nil},
		{"the second", []envelope.Identity{envelope.NewAEAD("two:b", b)}, nil},
		{"RSA", []envelope.Identity{envelope.NewRSAIdentity("three:c", k)}, nil},
		{"RSA with SHA-1", []envelope.Identity{envelope.NewRSAIdentity("four:d", k)}, nil},
		{"a key by another name", []envelope.Identity{envelope.NewAEAD("one:replica", b)}, nil},
		{"an RSA key by another name", []envelope.Identity{envelope.NewRSAIdentity("elsewhere:c", k)}, nil},
		{"two are down", []envelope.Identity{down("one:a"), down("two:b"), envelope.NewRSAIdentity("three:c", k)}, nil},
		{"all are down", []envelope.Identity{down("one:a"), down("two:b")}, []string{"cannot decrypt with 2 keys: one:a: one:a is down; two:b: two:b is down"}},
		{"none", nil, []string{"no key is given"}},
		{"a stranger's", []envelope.Identity{envelope.NewAEAD("my:key", newBox(t))}, []string{"my:key", "does not name this key"}},
		{"the wrong key by the name", []envelope.Identity{envelope.NewAEAD("one:a", b)}, []string{"one:a"}},
		{"the wrong kind of key", []envelope.Identity{envelope.NewAEAD("three:c", a)}, []string{"three:c", "nothing that the key could unwrap"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := open(t, file, tt.identities...)
			if len(tt.fails) == 0 {
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%q, %v", got, err)
				}
				return
			}
			if _, ok := errors.AsType[*envelope.KeyError](err); !ok {
				t.Fatalf("%q, %v", got, err)
			}
			for _, want := range tt.fails {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: it does not say %q", err, want)
				}
			}
		})
	}
}

// A key that agrees on secrets is a recipient too, on every curve.
func TestHPKE(t *testing.T) {
	other, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for method, curve := range map[envelope.Method]ecdh.Curve{
		envelope.HPKEP256: ecdh.P256(), envelope.HPKEP384: ecdh.P384(), envelope.HPKEP521: ecdh.P521(), envelope.HPKEX25519: ecdh.X25519(),
	} {
		key, err := curve.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r, err := envelope.NewHPKE("file:a.pem", key.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		file := seal(t, []byte("data"), r)
		if got, err := open(t, file, envelope.NewHPKEIdentity("file:a.pem", key)); err != nil || string(got) != "data" {
			t.Errorf("%s: %q, %v", method, got, err)
		}
		if e, err := envelope.Open(bytes.NewReader(file)); err != nil || e.Recipients()[0].Method != method {
			t.Errorf("%s: %v, %v", method, e.Recipients(), err)
		}
		if _, err := open(t, file, envelope.NewHPKEIdentity("file:a.pem", other)); err == nil {
			t.Errorf("%s: another key decrypts", method)
		}
	}
}

func TestEncryptRefuses(t *testing.T) {
	a := newBox(t)
	long := make([]envelope.Recipient, 257)
	for i := range long {
		long[i] = envelope.NewAEAD(fmt.Sprintf("file:%d", i), a)
	}
	tests := []struct {
		name       string
		recipients []envelope.Recipient
		want       string
	}{
		{"nobody", nil, "1 to 256 recipients, not 0"},
		{"too many", long, "1 to 256 recipients, not 257"},
		{"twice the same", []envelope.Recipient{envelope.NewAEAD("file:a", a), envelope.NewAEAD("file:a", a)}, "file:a is there twice"},
		{"a space", []envelope.Recipient{envelope.NewAEAD("file:my key", a)}, "printable"},
		{"a control character", []envelope.Recipient{envelope.NewAEAD("file:\x1b[2J", a)}, "printable"},
		{"no URI", []envelope.Recipient{envelope.NewAEAD("", a)}, "printable"},
		{"two are down", []envelope.Recipient{down("one:a"), envelope.NewAEAD("two:b", a), down("three:c")}, "cannot encrypt for 2 keys: one:a: one:a is down; three:c: three:c is down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var file bytes.Buffer
			_, err := envelope.Encrypt(t.Context(), &file, tt.recipients...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: it does not say %q", err, tt.want)
			}
			if file.Len() > 0 {
				t.Errorf("%d bytes were written", file.Len())
			}
		})
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for _, hash := range []crypto.Hash{crypto.SHA512, crypto.MD5} {
		if _, err := envelope.NewRSA("file:small", &small.PublicKey, hash); err == nil {
			t.Errorf("a small RSA key is taken with %s", hash)
		}
	}
}

// A file that was cut or changed anywhere is told apart from a whole one, and
// nothing but the beginning of its data is given.
func TestDamage(t *testing.T) {
	k, data := envelope.NewAEAD("file:a.key", newBox(t)), pattern(2<<16+100)
	file := seal(t, data, k)
	const begin = 20 + 4 + 16 + 2 + 5 + 12 + 62 + 32
	const chunk = 1<<16 + 16
	changed := func(at int) []byte {
		b := bytes.Clone(file)
		b[at] ^= 1
		return b
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	head, first, second, third := file[:begin], file[begin:begin+chunk], file[begin+chunk:begin+2*chunk], file[begin+2*chunk:]
	tests := []struct {
		name string
		file []byte
		read int // how much data is given before the error
		err  error
	}{
		{"nothing", nil, 0, envelope.ErrFormat},
		{"another file", []byte("%PDF-1.7 and so on, a long enough text"), 0, envelope.ErrFormat},
		{"another version", bytes.Replace(file, []byte("envelope 1"), []byte("envelope 2"), 1), 0, envelope.ErrFormat},
		{"half a magic", file[:10], 0, envelope.ErrFormat},
		{"half a header", file[:60], 0, envelope.ErrDamaged},
		{"the header alone", head, 0, envelope.ErrDamaged},
		{"a changed id", changed(24), 0, nil},
		{"a changed URI", changed(20 + 4 + 16 + 2 + 5 + 3), 0, nil},
		{"a changed wrapped key", changed(begin - 40), 0, nil},
		{"a changed code", changed(begin - 1), 0, envelope.ErrDamaged},
		{"a changed first byte", changed(begin), 0, envelope.ErrDamaged},
		{"a change in the second chunk", changed(begin + chunk + 9), 1 << 16, envelope.ErrDamaged},
		{"a changed last byte", changed(len(file) - 1), 2 << 16, envelope.ErrDamaged},
		{"the last byte is missing", file[:len(file)-1], 2 << 16, envelope.ErrDamaged},
		{"the last chunk is missing", join(head, first, second), 1 << 16, envelope.ErrDamaged},
		{"chunks in another order", join(head, second, first, third), 0, envelope.ErrDamaged},
		{"a chunk twice", join(head, first, first, second, third), 1 << 16, envelope.ErrDamaged},
		{"a chunk is missing", join(head, first, third), 1 << 16, envelope.ErrDamaged},
		{"more at the end", join(file, []byte{0}), 2 << 16, envelope.ErrDamaged},
		{"the last chunk again", join(file, third), 2 << 16, envelope.ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := open(t, tt.file, k)
			if err == nil {
				t.Fatal("it decrypts")
			}
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%v: not %v", err, tt.err)
			}
			if !bytes.Equal(got, data[:tt.read]) {
				t.Errorf("%d bytes are given, not the first %d", len(got), tt.read)
			}
		})
	}
}

// A reader's own failure is told as what it is.
func TestBrokenSource(t *testing.T) {
	k := envelope.NewAEAD("file:a.key", newBox(t))
	file := seal(t, pattern(3<<16), k)
	broken := errors.New("the disk is on fire")
	for _, at := range []int{5, 50, 1000, 1<<16 + 161, 150_000, len(file)} {
		src := io.MultiReader(bytes.NewReader(file[:at]), &failing{broken})
		r, err := envelope.Decrypt(t.Context(), src, k)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, broken) || errors.Is(err, envelope.ErrDamaged) {
			t.Errorf("after %d bytes: %v", at, err)
		}
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error)  { return 0, f.err }
func (f *failing) Write([]byte) (int, error) { return 0, f.err }

func TestBrokenDestination(t *testing.T) {
	k, broken := envelope.NewAEAD("file:a.key", newBox(t)), errors.New("the disk is full")
	if _, err := envelope.Encrypt(t.Context(), &failing{broken}, k); !errors.Is(err, broken) {
		t.Errorf("Encrypt: %v", err)
	}
	for _, room := range []int{200, 1 << 17} {
		w, err := envelope.Encrypt(t.Context(), &full{room: room, err: broken}, k)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(pattern(100_000))
		if err == nil {
			_, err = w.Write(pattern(100_000))
		}
		if !errors.Is(err, broken) || !errors.Is(w.Close(), broken) {
			t.Errorf("room for %d bytes: %v, then %v", room, err, w.Close())
		}
	}
}

// full takes so many bytes.
type full struct {
	room int
	err  error
}

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, f.err
	}
	return len(b), nil
}

// A file that is for two is not two files: who makes a file cannot give
// each recipient another file key.
func TestCommitment(t *testing.T) {
	a, b := newBox(t), newBox(t)
	one := seal(t, []byte("pay 1"), envelope.NewAEAD("file:x", a))
	other := seal(t, []byte("pay 1000"), envelope.NewAEAD("file:y", b))
	e, err := envelope.Open(bytes.NewReader(other))
	if err != nil {
		t.Fatal(err)
	}
	foreign := e.Recipients()[0]
	mixed := bytes.Replace(one, []byte("file:x"), []byte("file:y"), 1)
	mixed = bytes.Replace(mixed, func() []byte {
		e, err := envelope.Open(bytes.NewReader(one))
		if err != nil {
			t.Fatal(err)
		}
		return e.Recipients()[0].Wrapped
	}(), foreign.Wrapped, 1)
	if got, err := open(t, mixed, envelope.NewAEAD("file:y", unbound{b, e.ID()})); !errors.Is(err, envelope.ErrDamaged) {
		t.Errorf("%q, %v", got, err)
	}
}

// unbound is a key that does not mind in which file its wrapped key is.
type unbound struct {
	box
	id []byte
}

func (u unbound) Decrypt(ciphertext, _ []byte) ([]byte, error) {
	return u.box.Decrypt(ciphertext, append([]byte("holdfast envelope 1"), u.id...))
}

func TestRewrap(t *testing.T) {
	a, b, c := newBox(t), newBox(t), newBox(t)
	key := envelope.NewAEAD
	data := pattern(100_000)
	file := seal(t, data, key("one:a", a), key("two:b", b))
	tests := []struct {
		name   string
		change envelope.Change
		with   envelope.Identity
		want   []string // the recipients after it
		err    string
	}{
		{"add", envelope.Change{Add: []envelope.Recipient{key("three:c", c)}}, key("one:a", a), []string{"one:a", "two:b", "three:c"}, ""},
		{"remove", envelope.Change{Remove: []string{"one:a"}}, key("one:a", a), []string{"two:b"}, ""},
		{"replace", envelope.Change{Add: []envelope.Recipient{key("three:c", c)}, Remove: []string{"one:a"}}, key("two:b", b), []string{"two:b", "three:c"}, ""},
		{"renew", envelope.Change{Add: []envelope.Recipient{key("one:a", c)}}, key("one:a", a), []string{"one:a", "two:b"}, ""},
		{"nothing", envelope.Change{}, key("one:a", a), []string{"one:a", "two:b"}, ""},
		{"remove all", envelope.Change{Remove: []string{"one:a", "two:b"}}, key("one:a", a), nil, "1 to 256 recipients, not 0"},
		{"remove a stranger", envelope.Change{Remove: []string{"nine:z"}}, key("one:a", a), nil, "not for nine:z"},
		{"add and remove", envelope.Change{Add: []envelope.Recipient{key("one:a", c)}, Remove: []string{"one:a"}}, key("one:a", a), nil, "added and to be removed"},
		{"add twice", envelope.Change{Add: []envelope.Recipient{key("three:c", c), key("three:c", b)}}, key("one:a", a), nil, "added twice"},
		{"by a stranger", envelope.Change{}, key("nine:z", c), nil, "cannot decrypt with nine:z"},
		{"the new one is down", envelope.Change{Add: []envelope.Recipient{down("three:c")}}, key("one:a", a), nil, "cannot encrypt for three:c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := envelope.Open(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = e.Rewrap(t.Context(), &out, tt.change, tt.with)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || out.Len() > 0 {
					t.Errorf("%v, and %d bytes: want %q", err, out.Len(), tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkRewrapped(t, file, out.Bytes(), data, tt.want, map[string]box{"one:a": a, "two:b": b, "three:c": c})
		})
	}
}

// checkRewrapped checks a file that was made from another.
func checkRewrapped(t *testing.T, old, file, data []byte, want []string, keys map[string]box) {
	t.Helper()
	payload := old[len(old)-len(data)-2*16:]
	if !bytes.HasSuffix(file, payload) {
		t.Error("the payload has changed")
	}
	e, err := envelope.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, s := range e.Recipients() {
		uris = append(uris, s.URI)
	}
	if d := cmp.Diff(want, uris); d != "" {
		t.Error("the recipients (-want +got):\n", d)
	}
	for _, uri := range uris {
		k := keys[uri]
		got, err := open(t, file, envelope.NewAEAD(uri, k))
		if err != nil { // renewed under another key
			got, err = open(t, file, envelope.NewAEAD(uri, keys["three:c"]))
		}
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", uri, len(got), err)
		}
	}
}
