package status

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestBucket: lists are put into the authority's bucket, once each, and again
// after a failure, and elsewhere when the configuration says so.
func TestBucket(t *testing.T) {
	f := newFixture(t)
	b := &bucket{files: map[string][]byte{}, err: errors.New("no such bucket")}
	f.sink = b
	f.open(t)
	root := f.authority(t, "root", alg.P256, 0)
	f.authority(t, "another", alg.P256, 0)
	f.configure(t, root.ID, func(c *ca.RevocationConfig) {
		c.CRL.Bucket, c.CRL.Path, c.CRL.Shards, c.CRL.Delta = "lists", "a/", 1, true
	})
	if _, err := f.Tick(t.Context()); err != nil {
		t.Fatal(err) // there was nothing to put yet
	}
	if _, err := f.Tick(t.Context()); !errors.Is(err, b.err) {
		t.Fatal(err)
	}
	if _, err := f.Tick(t.Context()); err != nil {
		t.Errorf("tried again at once: %v", err)
	}
	b.err = nil
	f.sleep(retry)
	f.tick(t)
	want := []string{}
	for _, name := range []string{".crl", "/1-delta.crl", "/1.crl", "/delta.crl"} {
		want = append(want, "lists/a/"+root.ID+name+" application/pkix-crl")
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(b.files))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	before := string(b.files[want[0]])
	f.revoke(t, f.issue(t, "root"), ca.Superseded)
	f.tick(t) // makes it
	f.tick(t) // puts it
	if string(b.files[want[0]]) == before {
		t.Error("the list with a revocation is not in the bucket")
	}
	clear(b.files)
	f.tick(t)
	if len(b.files) != 0 {
		t.Errorf("put once more: %v", slices.Sorted(maps.Keys(b.files)))
	}
	f.configure(t, root.ID, func(c *ca.RevocationConfig) { c.CRL.Bucket, c.CRL.Shards, c.CRL.Delta = "moved", 1, true })
	f.tick(t)
	want = want[:0]
	for _, name := range []string{".crl", "/1-delta.crl", "/1.crl", "/delta.crl"} {
		want = append(want, "moved/crl/"+root.ID+name+" application/pkix-crl")
	}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(b.files))); d != "" {
		t.Errorf("after the bucket was changed (-want +got):\n%s", d)
	}
}

// TestDestroyed: nothing is left of an authority that was destroyed.
func TestDestroyed(t *testing.T) {
	f := newFixture(t)
	root := f.authority(t, "root", alg.P256, 0)
	f.revoke(t, f.issue(t, "root"), ca.Superseded)
	f.tick(t)
	signer := f.signers.get(root.ID).key
	disabled := ca.Disabled
	_, err := f.ca.UpdateAuthority(t.Context(), f.admin(), root.ID, ca.Update{State: &disabled})
	must(t, err)
	_, err = f.ca.DeleteAuthority(t.Context(), f.admin(), root.ID, 7)
	must(t, err)
	if l, _ := f.list(t, root.ID, "", false); l.Entries != 1 {
		t.Errorf("while it can be restored, its list is %+v", l)
	}
	f.sleep(7*day + time.Second)
	_, err = f.ca.Tick(t.Context())
	must(t, err)
	f.open(t)
	f.tick(t)
	if _, err := f.PublicCRL(t.Context(), root.ID, "", false); err == nil {
		t.Error("its list is still there")
	}
	k, err := f.keys.DescribeKey(t.Context(), f.admin(), refID(signer))
	if err != nil || k.DeleteAt.IsZero() {
		t.Errorf("the key of its responder: %+v, %v", k, err)
	}
	must(t, f.store.View(t.Context(), func(r store.Reader) error {
		n, err := r.Count(store.Authorities, store.Query{})
		if n != 0 {
			t.Errorf("%d rows are left", n)
		}
		return err
	}))
	must(t, filepath.WalkDir(f.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.HasSuffix(path, ".crl") {
			t.Errorf("%s is left", path)
		}
		return err
	}))
}
