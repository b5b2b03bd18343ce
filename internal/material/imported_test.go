package material

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// keyWith returns a key whose versions have materials of these ids; pending may
// be empty.
func keyWith(spec alg.Spec, pending string, ids ...string) *key.Key {
	k := &key.Key{Spec: spec, Usage: spec.Info().Usages[0], Origin: key.Imported, State: key.Enabled}
	for _, id := range ids {
		k.Versions = append(k.Versions, key.Version{Number: k.NextVersion(), MaterialID: id, Missing: id == ""})
	}
	if pending != "" {
		k.Pending = &key.Version{Number: k.NextVersion(), MaterialID: pending}
	}
	return k
}

// TestVersionFor is the table of what may be imported, and where it goes.
func TestVersionFor(t *testing.T) {
	first, one, two := keyWith(alg.AES256, "", ""), keyWith(alg.AES256, "", "a"), keyWith(alg.AES256, "", "a", "b")
	waiting, asymmetric := keyWith(alg.AES256, "p", "a"), keyWith(alg.P256, "", "a")
	for name, test := range map[string]struct {
		k      *key.Key
		wish   Wish
		id     string
		want   key.VersionNumber
		reason fault.Reason
	}{
		"the first":                         {first, Wish{}, "x", 1, 0},
		"the first, as a new one":           {first, Wish{New: true}, "x", 1, 0},
		"the first, by its id":              {first, Wish{ID: "x"}, "x", 1, 0},
		"another one by its id":             {first, Wish{ID: "y"}, "x", 0, fault.IncorrectMaterial},
		"the same":                          {one, Wish{}, "a", 1, 0},
		"another one":                       {one, Wish{}, "x", 0, fault.IncorrectMaterial},
		"an old one":                        {two, Wish{ID: "a"}, "a", 1, 0},
		"the current one":                   {two, Wish{}, "b", 2, 0},
		"the same as a new one":             {two, Wish{New: true}, "a", 0, fault.IncorrectMaterial},
		"a new one":                         {two, Wish{New: true}, "x", 3, 0},
		"one that waits, again":             {waiting, Wish{}, "p", 2, 0},
		"one that waits, again, as new":     {waiting, Wish{New: true}, "p", 2, 0},
		"a second new one":                  {waiting, Wish{New: true}, "x", 0, fault.MaterialPending},
		"the same beside one that waits":    {waiting, Wish{}, "a", 1, 0},
		"a new one of an asymmetric key":    {asymmetric, Wish{New: true}, "x", 0, fault.Unspecified},
		"the same one of an asymmetric key": {asymmetric, Wish{}, "a", 1, 0},
	} {
		k := test.k.Clone()
		v, err := VersionFor(k, test.wish, test.id, noon)
		switch {
		case test.want == 0 && (err == nil || fault.ReasonOf(err) != test.reason):
			t.Errorf("%s: got %+v, %v", name, v, err)
		case test.want == 0 && !cmp.Equal(k, test.k):
			t.Errorf("%s: the refusal changed the key", name)
		case test.want != 0 && (err != nil || v.Number != test.want):
			t.Errorf("%s: got %+v, %v, want version %d", name, v, err, test.want)
		}
	}
}

func TestLosing(t *testing.T) {
	k := keyWith(alg.AES256, "p", "a", "b")
	k.Versions[0].ExpiresAt, k.Pending.ExpiresAt = noon, noon.Add(time.Hour)
	var due []key.VersionNumber
	for _, at := range []time.Time{noon.Add(-1), noon, noon.Add(time.Hour)} {
		for _, v := range Expired(k, at) {
			due = append(due, v.Number)
		}
	}
	if !slices.Equal(due, []key.VersionNumber{1, 1, 3}) {
		t.Errorf("expired, time after time: %v", due)
	}
	if err := Lose(k, Expired(k, noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if k.State != key.PendingImport || k.Pending != nil || !k.Versions[0].Missing || k.Versions[1].Missing || k.Complete() {
		t.Errorf("the key is %+v", k)
	}
	if k.Versions[0].MaterialID != "a" || len(Expired(k, noon.Add(time.Hour))) != 0 {
		t.Error("what is lost is forgotten, or lost once more")
	}
	deleted := keyWith(alg.AES256, "", "a")
	deleted.State = key.PendingDeletion
	if err := Lose(deleted, deleted.Versions); err != nil || deleted.State != key.PendingDeletion {
		t.Errorf("a key pending deletion is %s, %v", deleted.State, err)
	}
}

func TestPromotion(t *testing.T) {
	k := keyWith(alg.AES256, "p", "a")
	k.Pending.ExpiresAt = noon
	if err := Promote(k, noon); fault.ReasonOf(err) != fault.NoMaterialPending || k.Pending == nil {
		t.Errorf("material that has expired: %v", err)
	}
	if err := Promote(k, noon.Add(-1)); err != nil || k.Pending != nil || k.Current().MaterialID != "p" || k.Current().RotatedBy != key.OnDemand {
		t.Errorf("got %+v, %v", k.Current(), err)
	}
	if err := Promote(k, noon); fault.ReasonOf(err) != fault.NoMaterialPending {
		t.Errorf("without material that waits: %v", err)
	}
}
