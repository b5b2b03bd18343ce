package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// token is a Keeper in memory.
type token struct{ box box }

func newToken(t testing.TB, secret string) *token {
	t.Helper()
	key := sha256.Sum256([]byte(secret))
	b, err := newBox(key[:])
	if err != nil {
		t.Fatal(err)
	}
	return &token{b}
}

func (k *token) Wrap(_ context.Context, plaintext []byte) ([]byte, error) {
	return k.box.seal("token", plaintext, nil), nil
}

func (k *token) Unwrap(_ context.Context, wrapped []byte) ([]byte, error) {
	return k.box.open("token", wrapped, nil)
}

// way is a method with what it takes to make and to open it.
type wayOf struct {
	plan        Plan
	credentials Credentials
	shares      [][]byte // as text, with the method shares
}

func (w *wayOf) deliver(list []split.Share) error {
	w.shares = nil
	for i := range list {
		w.shares = append(w.shares, list[i].Text())
	}
	n := 0
	w.credentials = Credentials{Share: func(_ Progress, wrong error) ([]byte, error) {
		if wrong != nil || n == len(w.shares) {
			return nil, fmt.Errorf("no share is left: %w", wrong)
		}
		n++
		return bytes.Clone(w.shares[n-1]), nil
	}}
	return nil
}

func byFile() *wayOf { return &wayOf{plan: Plan{Method: InFile}} }

func byPhrase(text string) *wayOf {
	return &wayOf{plan: Plan{Method: UnderPassphrase, Passphrase: []byte(text), cheap: true}, credentials: Credentials{Passphrase: phrase(text)}}
}

func byShares(threshold, shares int) *wayOf {
	return &wayOf{plan: Plan{Method: UnderShares, Threshold: threshold, Shares: shares}}
}

func byToken(t testing.TB, secret string) *wayOf {
	k := newToken(t, secret)
	return &wayOf{
		plan: Plan{Method: UnderHSM, Token: "soft", Key: "seal", Keeper: k},
		credentials: Credentials{Keeper: func(_ context.Context, name, key string) (Keeper, func() error, error) {
			if name != "soft" || key != "seal" {
				return nil, nil, fmt.Errorf("there is no key %s in a token %s", key, name)
			}
			return k, nil, nil
		}},
	}
}

// again returns the way with the credentials as new, for another opening.
func (w *wayOf) again(t testing.TB) Credentials {
	t.Helper()
	if w.plan.Method != UnderShares {
		return w.credentials
	}
	n := 0
	return Credentials{Share: func(_ Progress, wrong error) ([]byte, error) {
		if wrong != nil || n == len(w.shares) {
			return nil, fmt.Errorf("no share is left: %w", errors.Join(fault.New(fault.Unauthenticated, "wrong"), wrong))
		}
		n++
		return bytes.Clone(w.shares[n-1]), nil
	}}
}

func ways(t testing.TB) []*wayOf {
	return []*wayOf{byFile(), byPhrase(goodPhrase), byShares(2, 3), byToken(t, "one")}
}

func TestEveryMethodOpensAgain(t *testing.T) {
	for _, w := range ways(t) {
		t.Run(string(w.plan.Method), func(t *testing.T) {
			dir := t.TempDir()
			made, err := Make(t.Context(), dir, w.plan, w.deliver)
			if err != nil {
				t.Fatal(err)
			}
			o, err := Unlock(t.Context(), dir, w.again(t))
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			r, err := o.Root()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.Unseal("test", made.Seal("test", []byte("x"), nil), nil); err != nil || string(got) != "x" {
				t.Errorf("got %q, %v", got, err)
			}
			s, err := Inspect(dir)
			if err != nil || len(s.Ways) != 1 || s.Ways[0].Method != w.plan.Method || !slices.Equal(s.Ways[0].RootKeys, []string{r.ID()}) {
				t.Errorf("%+v, %v", s, err)
			}
			if s.OnlyShares() != (w.plan.Method == UnderShares) {
				t.Error("it does not know whether it is of shares")
			}
			if w.plan.Method != InFile {
				if _, err := Unlock(t.Context(), dir, Credentials{}); fault.KindOf(err) != fault.Unauthenticated {
					t.Errorf("without a credential: %v", err)
				}
				if _, err := os.Stat(filepath.Join(dir, rootFile)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("there is a root key file: %v", err)
				}
			}
		})
	}
}

// Seals of version 1, as they were made before there were shares, still open.
func TestVersion1Opens(t *testing.T) {
	for _, method := range []Method{InFile, UnderPassphrase} {
		dir := t.TempDir()
		from := filepath.Join("testdata", "v1-"+string(method))
		found, err := os.ReadDir(from)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", from, err)
		}
		for _, f := range found {
			copyFile(t, filepath.Join(from, f.Name()), filepath.Join(dir, f.Name()))
		}
		o, err := Unlock(t.Context(), dir, Credentials{Passphrase: phrase(goodPhrase)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := o.Root()
		if err != nil {
			t.Fatal(err)
		}
		s := mem.New()
		if err := Claim(t.Context(), r, s); err != nil {
			t.Fatal(err)
		}
		c, err := o.Begin(t.Context(), r, byPhrase("another passphrase").plan, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Finish(); err != nil {
			t.Fatal(err)
		}
		again, err := Open(dir, phrase("another passphrase"))
		if err != nil || again.ID() != r.ID() {
			t.Errorf("%s: %v, %v", method, again, err)
		}
	}
}

func TestFailedDeliveryMakesNothing(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("no paper")
	_, err := Make(t.Context(), dir, byShares(2, 3).plan, func([]split.Share) error { return broken })
	if !errors.Is(err, broken) || Exists(dir) {
		t.Errorf("%v, and a seal: %t", err, Exists(dir))
	}
}

// forgetful is a token that loses what it wraps.
type forgetful struct{ *token }

func (forgetful) Unwrap(context.Context, []byte) ([]byte, error) { return make([]byte, keySize), nil }

func TestTokenThatDoesNotGiveBack(t *testing.T) {
	for name, k := range map[string]Keeper{"none": nil, "one that forgets": forgetful{newToken(t, "x")}} {
		dir := t.TempDir()
		if _, err := Make(t.Context(), dir, Plan{Method: UnderHSM, Token: "t", Key: "k", Keeper: k}, nil); err == nil || Exists(dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnsealing(t *testing.T) {
	dir := t.TempDir()
	w := byShares(3, 5)
	made, err := Make(t.Context(), dir, w.plan, w.deliver)
	if err != nil {
		t.Fatal(err)
	}
	foreign := byShares(3, 5)
	if _, err := Make(t.Context(), t.TempDir(), foreign.plan, foreign.deliver); err != nil {
		t.Fatal(err)
	}
	u, err := NewUnsealing(dir)
	if err != nil {
		t.Fatal(err)
	}
	add := func(text []byte, want string, kind fault.Kind) {
		t.Helper()
		p, err := u.Add(bytes.Clone(text))
		if p.String() != want || (err != nil) != (kind != 0) || (err != nil && fault.KindOf(err) != kind) {
			t.Errorf("%s, %v; want %s, %v", p, err, want, kind)
		}
	}
	typo := bytes.Replace(w.shares[1], []byte("-"), []byte("-0"), 1)
	add(w.shares[0], "1 of 3 shares", 0)
	add(w.shares[0], "1 of 3 shares", fault.AlreadyExists)
	add(typo, "1 of 3 shares", fault.InvalidArgument)
	add(foreign.shares[1], "1 of 3 shares", fault.Unauthenticated)
	add(nil, "1 of 3 shares", fault.InvalidArgument)
	if err := u.Judge(w.shares[4]); err != nil || u.Progress().Have != 1 {
		t.Errorf("judging: %v", err)
	}
	add(w.shares[4], "2 of 3 shares", 0)
	if _, err := u.Open(); fault.KindOf(err) != fault.WrongState {
		t.Errorf("two of three open it: %v", err)
	}
	u.Reset()
	add(w.shares[4], "1 of 3 shares", 0)
	add(w.shares[3], "2 of 3 shares", 0)
	add(w.shares[2], "3 of 3 shares", 0)
	if got := u.Entered(); !slices.Equal(got, []int{3, 4, 5}) {
		t.Errorf("entered: %v", got)
	}
	o, err := u.Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Root()
	if err != nil || r.ID() != made.ID() {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := NewUnsealing(func() string { d := t.TempDir(); _, _ = Create(d, InFile, nil); return d }()); fault.KindOf(err) != fault.WrongState {
		t.Errorf("a seal without shares: %v", err)
	}
}

func TestWrongShareIsToldBeforeTheNext(t *testing.T) {
	dir := t.TempDir()
	w := byShares(2, 2)
	if _, err := Make(t.Context(), dir, w.plan, w.deliver); err != nil {
		t.Fatal(err)
	}
	var told []string
	n := 0
	o, err := Unlock(t.Context(), dir, Credentials{Share: func(p Progress, wrong error) ([]byte, error) {
		told = append(told, fmt.Sprintf("%s, %v", p, wrong))
		n++
		return [][]byte{w.shares[0], []byte("HFS1-0000"), w.shares[1]}[n-1], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if len(told) != 3 || !strings.HasPrefix(told[2], "1 of 2 shares, invalid argument: the share is mistyped") {
		t.Errorf("%q", told)
	}
}

// What parses is written back the same: seal.json, of both versions.
func FuzzDescription(f *testing.F) {
	found, err := filepath.Glob(filepath.Join("testdata", "v1-*", describes))
	if err != nil || len(found) == 0 {
		f.Fatalf("no seals of version 1: %v", err)
	}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, w := range ways(f) {
		dir := f.TempDir()
		if _, err := Make(f.Context(), dir, w.plan, w.deliver); err != nil {
			f.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, describes))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := parseDescription(text)
		if err != nil {
			return
		}
		if err := d.write(dir, false); err != nil {
			t.Fatal(err)
		}
		again, err := readDescription(dir)
		if err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		first, err := os.ReadFile(filepath.Join(dir, describes))
		if err != nil {
			t.Fatal(err)
		}
		if err := again.write(dir, false); err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(dir, describes))
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s\nand then\n%s", first, second)
		}
	})
}
