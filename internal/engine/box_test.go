package engine_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var box = engine.Box{Wrapper: enginetest.Box{}, Label: "holdfast/test/record", Version: 3}

func boxRef() engine.Ref { return engine.Ref{Realm: key.DefaultRealm, ID: "one", Version: 1} }

// TestBox says that a record opens as what it was sealed for, and as nothing
// else.
func TestBox(t *testing.T) {
	record := []byte("a record")
	sealed, err := box.Seal(boxRef(), alg.P256, record)
	if err != nil {
		t.Fatal(err)
	}
	if sealed[0] != 3 || bytes.Contains(sealed, record) {
		t.Errorf("the box is %x", sealed)
	}
	if got, err := box.Open(boxRef(), alg.P256, sealed); err != nil || !bytes.Equal(got, record) {
		t.Fatalf("it opens as %q, %v", got, err)
	}
	with := func(change func(*engine.Ref)) engine.Ref {
		r := boxRef()
		change(&r)
		return r
	}
	label, version := box, box
	label.Label, version.Version = "holdfast/test/records", 4
	flip := func(at int) []byte {
		bad := bytes.Clone(sealed)
		bad[at] ^= 1
		return bad
	}
	for name, tt := range map[string]struct {
		box  engine.Box
		ref  engine.Ref
		spec alg.Spec
		in   []byte
	}{
		"another realm":                         {box, with(func(r *engine.Ref) { r.Realm = "210987654321" }), alg.P256, sealed},
		"another key":                           {box, with(func(r *engine.Ref) { r.ID = "on" }), alg.P256, sealed},
		"another key version":                   {box, with(func(r *engine.Ref) { r.Version = 2 }), alg.P256, sealed},
		"another spec":                          {box, boxRef(), alg.P384, sealed},
		"another label":                         {label, boxRef(), alg.P256, sealed},
		"another version":                       {version, boxRef(), alg.P256, sealed},
		"another version, and the byte with it": {version, boxRef(), alg.P256, append([]byte{4}, sealed[1:]...)},
		"the first bit":                         {box, boxRef(), alg.P256, flip(0)},
		"a bit":                                 {box, boxRef(), alg.P256, flip(len(sealed) / 2)},
		"the last bit":                          {box, boxRef(), alg.P256, flip(len(sealed) - 1)},
		"a byte less":                           {box, boxRef(), alg.P256, sealed[:len(sealed)-1]},
		"the version alone":                     {box, boxRef(), alg.P256, sealed[:1]},
		"nothing":                               {box, boxRef(), alg.P256, nil},
	} {
		got, err := tt.box.Open(tt.ref, tt.spec, tt.in)
		if got != nil || err == nil || fault.KindOf(err) != fault.Internal || strings.Contains(err.Error(), "a record") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestBoxSpec says that a record tells the spec for which it was sealed.
func TestBoxSpec(t *testing.T) {
	for _, spec := range alg.Specs() {
		sealed, err := box.Seal(boxRef(), spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := box.Spec(boxRef(), sealed); err != nil || got != spec {
			t.Errorf("a record of %s is one of %q (%v)", spec, got, err)
		}
	}
	none, err := box.Seal(boxRef(), alg.NoSpec, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string][]byte{"of no spec": none, "nothing": nil, "nonsense": {3, 1, 2}} {
		if got, err := box.Spec(boxRef(), in); err == nil || got != alg.NoSpec || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestBoxJSON says what comes back of a record as JSON.
func TestBoxJSON(t *testing.T) {
	type record struct {
		Name string `json:"name"`
	}
	sealed, err := box.SealJSON(boxRef(), alg.P256, record{"it"})
	if err != nil {
		t.Fatal(err)
	}
	var got record
	if err := box.OpenJSON(boxRef(), alg.P256, sealed, &got); err != nil || got.Name != "it" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := box.SealJSON(boxRef(), alg.P256, make(chan int)); err == nil || fault.KindOf(err) != fault.Internal {
		t.Errorf("what is no JSON: %v", err)
	}
	for name, text := range map[string]string{"an unknown field": `{"name":"it","more":1}`, "another type": `{"name":1}`, "no JSON": `name`, "nothing": ``} {
		sealed, err := box.Seal(boxRef(), alg.P256, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := box.OpenJSON(boxRef(), alg.P256, sealed, &got); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// broken is a Wrapper that fails.
type broken struct{ err error }

func (b broken) Wrap(key.RealmID, []byte, []byte) ([]byte, error)   { return nil, b.err }
func (b broken) Unwrap(key.RealmID, []byte, []byte) ([]byte, error) { return nil, b.err }

// TestBoxSealed says that a seal which is out of reach is told apart from a
// record that is damaged.
func TestBoxSealed(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want fault.Kind
	}{
		{fault.New(fault.Unavailable, "sealed"), fault.Unavailable},
		{fault.New(fault.NotFound, "no such realm"), fault.Internal},
		{errors.New("damaged"), fault.Internal},
	} {
		b := box
		b.Wrapper = broken{tt.err}
		_, sealing := b.Seal(boxRef(), alg.P256, nil)
		_, opening := b.Open(boxRef(), alg.P256, []byte{3, 1})
		_, finding := b.Spec(boxRef(), []byte{3, 1})
		for _, err := range []error{sealing, opening, finding, b.OpenJSON(boxRef(), alg.P256, []byte{3, 1}, nil)} {
			if fault.KindOf(err) != tt.want || err == nil {
				t.Errorf("%v is told as %v", tt.err, err)
			}
		}
		for _, err := range []error{sealing, opening} {
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), boxRef().String()) {
				t.Errorf("%v is told as %v", tt.err, err)
			}
		}
	}
}
