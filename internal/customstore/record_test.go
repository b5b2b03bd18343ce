package customstore

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// record1 is a key store as the first release wrote it.
const record1 = `{"v":1,"realm":"123456789012","region":"eu-central-1","name":"n","cluster":"igklspoyj5v","lineage":"igklspoyj5v",` +
	`"anchor":"pem","created":"2026-11-22T12:00:00Z","wanted":true,"sealed":"AQ=="}`

// TestRecord reads what the first release wrote.
func TestRecord(t *testing.T) {
	st, err := readStore(store.Row{ID: "1", Body: []byte(record1)})
	if err != nil {
		t.Fatal(err)
	}
	want := &Store{
		ID: "1", Realm: "123456789012", Region: "eu-central-1", Name: "n", Cluster: "igklspoyj5v", Lineage: "igklspoyj5v", Anchor: "pem",
		CreatedAt: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Wanted: true, State: Disconnected, password: []byte{1},
	}
	if diff := cmp.Diff(want, st, cmp.AllowUnexported(Store{})); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{``, `{}`, `{"v":2}`, `[]`} {
		if _, err := readStore(store.Row{ID: "x", Body: []byte(body)}); err == nil {
			t.Errorf("%q is taken", body)
		}
	}
}

// FuzzRecord holds that what is read is written back as it was read.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(record1))
	f.Fuzz(func(t *testing.T, body []byte) {
		st, err := readStore(store.Row{ID: "x", Body: body})
		if err != nil {
			return
		}
		row, err := st.row()
		if err != nil {
			return // a time that JSON has no room for
		}
		again, err := readStore(row)
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.row()
		if err != nil || !bytes.Equal(row.Body, second.Body) {
			t.Errorf("%s, then %s, %v", row.Body, second.Body, err)
		}
	})
}
