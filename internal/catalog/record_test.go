package catalog

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fullKey is a key with everything that a record can say.
func fullKey() *key.Key {
	return &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: "eu-central-1", ID: "1234abcd-12ab-34cd-56ef-1234567890ab"},
		Spec: alg.AES256, Usage: alg.EncryptDecrypt, Origin: key.Imported, Protection: key.HSM, Engine: "luna", Store: "cks-1",
		Exportable: true, Provided: true, State: key.PendingImport, Description: "d\n\"", CreatedAt: noon, DeleteAt: noon.AddDate(0, 0, 7),
		Versions: []key.Version{
			{Number: 1, CreatedAt: noon, MaterialID: "a", Description: "the first", Missing: true},
			{Number: 2, CreatedAt: noon, RotatedBy: key.OnDemand, MaterialID: "b", Public: []byte{1}, ExpiresAt: noon.Add(time.Hour)},
		},
		Pending:  &key.Version{Number: 3, CreatedAt: noon, MaterialID: "c", ExpiresAt: noon.Add(time.Minute)},
		Rotation: key.Rotation{Enabled: true, PeriodDays: 365, Next: noon, OnDemandCount: 1},
		Policy:   key.Document{Dialect: "aws", Text: "{\n}"},
		Tags:     []key.Tag{{Key: "a", Value: "b"}},
		Grants: []key.Grant{{
			ID: "g", Grantee: key.Principal{Realm: key.DefaultRealm, Kind: key.Service, Name: "ca/1"},
			Actions: []key.Action{key.ExportKey, key.Sign}, CreatedAt: noon,
		}},
		Revision: 7,
	}
}

func TestRecordsReadBack(t *testing.T) {
	k := fullKey()
	row, err := keyRow(k)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Keys.Check(row); err != nil {
		t.Error(err)
	}
	got, err := keyOf(row)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(k, got); diff != "" {
		t.Errorf("a key (-want +got):\n%s", diff)
	}
	a := &key.Alias{Realm: key.DefaultRealm, Region: "eu-central-1", Name: "alias/a/b", Target: k.Name.ID, CreatedAt: noon, UpdatedAt: noon.Add(1)}
	if row, err = aliasRow(a); err != nil {
		t.Fatal(err)
	}
	read, err := aliasOf(row)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, read); diff != "" {
		t.Errorf("an alias (-want +got):\n%s", diff)
	}
}

// TestDue is when the clock comes to a key: at the first thing that it has to
// do.
func TestDue(t *testing.T) {
	later, last := noon.Add(time.Hour), noon.Add(2*time.Hour)
	expiring := func(at time.Time) []key.Version { return []key.Version{{Number: 1}, {Number: 2, ExpiresAt: at}} }
	for name, test := range map[string]struct {
		k    key.Key
		want time.Time
	}{
		"nothing":                          {key.Key{State: key.Enabled}, time.Time{}},
		"a rotation":                       {key.Key{State: key.Enabled, Rotation: key.Rotation{Enabled: true, Next: later}}, later},
		"a rotation of a disabled key":     {key.Key{State: key.Disabled, Rotation: key.Rotation{Enabled: true, Next: later}}, time.Time{}},
		"a deletion":                       {key.Key{State: key.PendingDeletion, DeleteAt: later}, later},
		"material":                         {key.Key{State: key.Enabled, Versions: expiring(later)}, later},
		"material of a disabled key":       {key.Key{State: key.Disabled, Versions: expiring(later)}, later},
		"material before a deletion":       {key.Key{State: key.PendingDeletion, DeleteAt: last, Versions: expiring(later)}, later},
		"a deletion before material":       {key.Key{State: key.PendingDeletion, DeleteAt: later, Versions: expiring(last)}, later},
		"material that waits":              {key.Key{State: key.Enabled, Versions: expiring(last), Pending: &key.Version{ExpiresAt: later}}, later},
		"material that waits and does not": {key.Key{State: key.Enabled, Versions: expiring(last), Pending: &key.Version{}}, last},
	} {
		want := ""
		if !test.want.IsZero() {
			want = test.want.Format(store.TimeFormat)
		}
		if got := dueOf(&test.k); got != want {
			t.Errorf("%s: due at %q, want %q", name, got, want)
		}
	}
}

// FuzzKey: what reads as a key is written so that it reads as the same key.
func FuzzKey(f *testing.F) {
	for _, k := range []*key.Key{fullKey(), {
		Name: key.Name{Realm: key.DefaultRealm, Region: "r", ID: "i"}, Spec: alg.P256, Usage: alg.SignVerify, State: key.Enabled,
		Versions: []key.Version{{Number: 1, Public: []byte{4}}},
	}} {
		row, err := keyRow(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row.Body)
	}
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		k, err := keyOf(store.Row{ID: "i", Body: body})
		if err != nil {
			return
		}
		row, err := keyRow(k)
		if err != nil {
			return // a year that JSON does not take
		}
		again, err := keyOf(row)
		if err != nil {
			t.Fatalf("what was written does not read: %v", err)
		}
		if twice, err := keyRow(again); err != nil || !bytes.Equal(twice.Body, row.Body) {
			t.Errorf("%q became %q (%v)", row.Body, twice.Body, err)
		}
	})
}
