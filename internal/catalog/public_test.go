package catalog

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
)

func publicKeys(t testing.TB) (rsaKey, ecKey []byte, ski [2][sha1.Size]byte, modulus [sha256.Size]byte) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := e.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ski[0] = sha1.Sum(x509.MarshalPKCS1PublicKey(&r.PublicKey))
	ski[1] = sha1.Sum(point)
	modulus = sha256.Sum256(fmt.Appendf(nil, "%X", r.N))
	if rsaKey, err = x509.MarshalPKIXPublicKey(&r.PublicKey); err != nil {
		t.Fatal(err)
	}
	if ecKey, err = x509.MarshalPKIXPublicKey(&e.PublicKey); err != nil {
		t.Fatal(err)
	}
	return rsaKey, ecKey, ski, modulus
}

func publicEntry(name key.Name, state key.State, versions ...[]byte) *Entry {
	k := &key.Key{Name: name, State: state}
	for n, spki := range versions {
		k.Versions = append(k.Versions, key.Version{Number: key.VersionNumber(n + 1), Public: spki})
	}
	return NewEntry(k, nil)
}

// TestByPublic follows a key's names through its life, and says which of several
// keys with one public half is meant.
func TestByPublic(t *testing.T) {
	r, e, ski, modulus := publicKeys(t)
	c := &Catalog{}
	home, away := key.Name{Realm: "111111111111", Region: "a", ID: "m"}, key.Name{Realm: "222222222222", Region: "a", ID: "a"}
	find := func(n PublicName) string {
		found, ok := c.ByPublic(n, home.Realm, home.Region)
		if !ok {
			return ""
		}
		return string(found.Key.Name.Realm[:1]) + found.Key.Name.Region + string(found.Key.Name.ID)
	}
	names := func() []string {
		return []string{find(PublicName{SKI: ski[0]}), find(PublicName{Modulus: modulus}), find(PublicName{SKI: ski[1]})}
	}
	elsewhere, lesser, off := home, home, home
	elsewhere.Region, elsewhere.ID, lesser.ID, off.ID = "b", "c", "b", "a"
	for _, step := range []struct {
		what string
		do   func()
		want []string
	}{
		{"nothing", func() {}, []string{"", "", ""}},
		{"another realm's", func() { c.memory.put(publicEntry(away, key.Enabled, r)) }, []string{"2aa", "2aa", ""}},
		{"another region's", func() { c.memory.put(publicEntry(elsewhere, key.Enabled, r)) }, []string{"1bc", "1bc", ""}},
		{"the caller's own", func() { c.memory.put(publicEntry(home, key.Enabled, r)) }, []string{"1am", "1am", ""}},
		{"a disabled one", func() { c.memory.put(publicEntry(off, key.Disabled, r)) }, []string{"1am", "1am", ""}},
		{"one with a lesser id", func() { c.memory.put(publicEntry(lesser, key.Enabled, r)) }, []string{"1ab", "1ab", ""}},
		{"a new version", func() { c.memory.put(publicEntry(lesser, key.Enabled, r, e)) }, []string{"1am", "1am", "1ab"}},
		{"the same again", func() { c.memory.put(publicEntry(lesser, key.Enabled, r, e)) }, []string{"1am", "1am", "1ab"}},
		{"gone", func() { c.memory.remove(lesser.ID); c.memory.remove(home.ID) }, []string{"1aa", "1aa", ""}},
		{"all gone", func() {
			for _, id := range []key.ID{off.ID, elsewhere.ID, away.ID} {
				c.memory.remove(id)
			}
		}, []string{"", "", ""}},
		{"symmetric and without material", func() {
			c.memory.put(publicEntry(home, key.Enabled, nil))
			c.memory.put(publicEntry(elsewhere, key.PendingImport))
			c.memory.put(publicEntry(away, key.Enabled, []byte("none")))
		}, []string{"", "", ""}},
	} {
		step.do()
		if diff := cmp.Diff(step.want, names()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
	left := 0
	c.memory.publics.ids.Range(func(any, any) bool { left++; return true })
	if left != 0 {
		t.Errorf("%d names of no key are left", left)
	}
}

// TestByPublicAtOnce has keys of one public half come and go while they are
// looked for.
func TestByPublicAtOnce(t *testing.T) {
	r, e, ski, _ := publicKeys(t)
	c := &Catalog{}
	stays := key.Name{Realm: "111111111111", Region: "a", ID: "stays"}
	c.memory.put(publicEntry(stays, key.Enabled, r))
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			name := key.Name{Realm: "222222222222", Region: "a", ID: key.ID(fmt.Sprint(n))}
			for range 200 {
				c.memory.put(publicEntry(name, key.Enabled, r))
				c.memory.put(publicEntry(name, key.Enabled, r, e))
				if found, ok := c.ByPublic(PublicName{SKI: ski[0]}, stays.Realm, stays.Region); !ok || found.Key.Name != stays {
					t.Error("the key that stays is not found")
				}
				if found, ok := c.ByPublic(PublicName{SKI: ski[1]}, stays.Realm, stays.Region); !ok || found.Key.Name == stays {
					t.Error("no key with the new public half is found")
				}
				c.memory.remove(name.ID)
			}
		})
	}
	all.Wait()
	list, ok := c.memory.publics.ids.Load(PublicName{SKI: ski[0]})
	if !ok || !slices.Equal(*list.(*[]key.ID), []key.ID{stays.ID}) {
		t.Errorf("the names' keys are %v", list)
	}
	if _, ok := c.memory.publics.ids.Load(PublicName{SKI: ski[1]}); ok {
		t.Error("a name of no key is left")
	}
}

// FuzzNamesOf: what is a public key by crypto/x509 has the name that its parts
// give; anything else may have one, and does no harm.
func FuzzNamesOf(f *testing.F) {
	r, e, _, _ := publicKeys(f)
	for _, spki := range [][]byte{r, e, r[:40], nil, {0x30, 0}} {
		f.Add(spki)
	}
	f.Fuzz(func(t *testing.T, spki []byte) {
		names := namesOf(spki)
		public, err := x509.ParsePKIXPublicKey(spki)
		if err != nil {
			return
		}
		k, ok := public.(*rsa.PublicKey)
		if len(names) == 0 {
			return // a bit string whose bits are no bytes, which crypto/x509 shifts
		}
		if ok && (len(names) != 2 || names[1].Modulus != sha256.Sum256([]byte(strings.ToUpper(k.N.Text(16))))) {
			t.Errorf("a public key %T has the names %x", public, names)
		}
	})
}
