package secret

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// FuzzRecord: what is read as a secret is written back as the same one.
func FuzzRecord(f *testing.F) {
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, x := range []*Secret{
		{
			Realm: key.DefaultRealm, Region: "r", Name: "a/b", Suffix: "AbCdEf", Description: "d", Key: kms.Ref{Realm: "r", Region: "q", Alias: "alias/a"}, KeyText: "alias/a",
			Tags: []key.Tag{{Key: "a", Value: "b"}}, Policy: key.Document{Dialect: "aws", Text: "{}"}, CreatedAt: at, ChangedAt: at, AccessedAt: at, DeletedAt: at, DeleteAt: at,
			Versions: []Version{{ID: strings.Repeat("0", 32), Stages: []Stage{Current, "blue"}, CreatedAt: at, AccessedAt: at, Key: "k"}}, Revision: 7,
		},
		{Realm: key.DefaultRealm, Region: "r", Name: "a", Suffix: "AbCdEf"},
	} {
		row, err := x.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row.ID, row.Body)
	}
	f.Add("x", []byte(`{"v":2}`))
	f.Add("x", []byte(`{"v":1,"suffix":"`))
	f.Fuzz(func(t *testing.T, id string, body []byte) {
		x, err := readSecret(store.Row{ID: id, Body: body})
		if err != nil {
			return
		}
		row, err := x.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := readSecret(row)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", body, row.Body, err)
		}
		twice, err := again.encode()
		if err != nil || !bytes.Equal(row.Body, twice.Body) || row.ID != id {
			t.Errorf("%s", cmp.Diff(string(row.Body), string(twice.Body)))
		}
	})
}

// FuzzSealed: what is no sealed value is refused, and never opened.
func FuzzSealed(f *testing.F) {
	f.Add([]byte(`{"v":1,"dataKey":"AA==","nonce":"AAAAAAAAAAAAAAAA","text":"AA=="}`))
	f.Add([]byte(`{"v":1,"nonce":"AA=="}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := readSealed(store.Row{ID: "id", Body: body})
		if err != nil {
			return
		}
		aead, err := aeadOf(make([]byte, dataKeyBytes))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := aead.Open(nil, r.Nonce, r.Text, associated("id", r.Binary)); err == nil {
			t.Errorf("%s opens", body)
		}
	})
}
