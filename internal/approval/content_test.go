package approval

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func TestCanonical(t *testing.T) {
	tests := []struct{ body, want string }{
		{"", ""},
		{"Action=Publish&Message=x", "Action=Publish&Message=x"},
		{"[1, 2]", "[1, 2]"},
		{"{", "{"},
		{`{"a": 1} {"b": 2}`, `{"a": 1} {"b": 2}`},
		{`{}`, `{}`},
		{` {"b" : 1.0, "a":[true, null, {"d":"x", "c":1e2}] } `, `{"a":[true,null,{"c":1e2,"d":"x",},],"b":1.0,}`},
		{`{"Token":"1","a":{"Token":"2"}}`, `{"a":{"Token":"2",},}`},
		{`{"token":"1"}`, `{"token":"1",}`},
		{`{"a":"\u0041"}`, `{"a":"A",}`},
		{`{"a":"\ud800"}`, `{"a":"\ud800"}`},
		{"{\"a\":\"\xff\"}", "{\"a\":\"\xff\"}"},
		{`{"a":1,"a":1}`, "refused"},
		{`{"a":{"b":1,"B":1}}`, "refused"},
		{`{"s":1,"ſ":1}`, "refused"},
		{`{"Token":1,"Token":1}`, "refused"},
		{`{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`, "refused"},
	}
	for _, tt := range tests {
		got, err := canonical([]byte(tt.body), []string{"Token"})
		if err != nil {
			got = []byte("refused")
		}
		if string(got) != tt.want {
			t.Errorf("%s:\n got %s\nwant %s (%v)", tt.body, got, tt.want, err)
		}
	}
}

// FuzzCanonical: two JSON objects have the same form only if they say the same,
// and what says the same has the same form however it is written.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{"KeyId":"k","PendingWindowInDays":7}`, `{"a":{"b":[1,2.50,"x",null,true]},"Token":"t"}`, `{"a":1,"A":2}`, `{"a":"\ud800"}`, `{}`, `x=y`,
		"{\"a\":\"\u2028<>&\"}", `{"":1e999}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := canonical(body, nil)
		if err != nil {
			return
		}
		if bytes.Equal(form, body) {
			return // no JSON object, or one that is in no other form
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%q has the form %q, and is no JSON: %v", body, form, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		same, err := canonical(again, nil)
		if err != nil || !bytes.Equal(form, same) {
			t.Errorf("%q has the form %q, written anew %q (%v)", body, form, same, err)
		}
		// Its form is JSON but for commas: it says the same.
		var back any
		text := strings.NewReplacer(",}", "}", ",]", "]").Replace(string(form))
		d = json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if strings.Contains(string(again), ",}") || strings.Contains(string(again), ",]") {
			return // within a text
		}
		if err := d.Decode(&back); err != nil || cmp.Diff(v, back) != "" {
			t.Errorf("%q has the form %q, which says something else (%v)", body, form, err)
		}
	})
}

// TestTextHoldsNoSecret: a request is shown only if both what was called and
// what that needs are of kinds whose requests hold no secret.
func TestTextHoldsNoSecret(t *testing.T) {
	const body = `{"Policy":"x"}`
	tests := []struct {
		called, needs key.Action
		body, want    string
	}{
		{key.PutKeyPolicy, key.PutKeyPolicy, body, body},
		{key.InvokeFunction, key.IssueCertificate, body, body},
		{key.CreateSecret, key.CreateSecret, body, ""},
		{key.ImportKey, key.TagResource, body, ""},
		{key.ImportKey, key.CreateAlias, body, ""},
		{key.Encrypt, key.Encrypt, body, ""},
		{key.PutKeyPolicy, key.Decrypt, body, ""},
		{key.PutKeyPolicy, key.PutKeyPolicy, "\xff\xfe", "(2 bytes that are no text)"},
		{key.PutKeyPolicy, key.PutKeyPolicy, strings.Repeat("x", maxText+1), "(65537 bytes, too long to be kept)"},
	}
	for _, tt := range tests {
		call := &key.Call{Asked: key.Asked{Action: tt.called, Body: []byte(tt.body)}}
		if got := textOf(call, tt.needs); got != tt.want {
			t.Errorf("%s for %s is shown as %q", tt.called, tt.needs, got)
		}
	}
	for _, a := range []key.Action{
		key.CreateSecret, key.PutSecretValue, key.UpdateSecret, key.GetSecretValue, key.ImportKey, key.ImportKeyMaterial, key.ImportManaged, key.ExportManaged,
		key.Encrypt, key.Decrypt, key.Sign, key.GenerateMAC, key.Publish, key.AssumeRole, key.AssumeRoleWithWebIdentity, key.CreateSession, key.EnrolFactor,
		key.CreateCluster, key.InitializeCluster, key.CreateKeyStore, key.UpdateKeyStore, key.ConnectKeyStore, key.UnsealServer, key.ChangeSeal, key.ExportRootKey,
	} {
		if shown(a) {
			t.Errorf("requests for %s are shown", a)
		}
	}
}

// FuzzRecord: what is read from the store is stored the same.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"v":1,"state":"used","realm":"123456789012","requester":"123456789012:user:alice","person":"p","action":"key:Sign","api":"a","operation":"o","digest":"d","rules":["r"],"created":"2027-01-02T03:04:05Z","expires":"2027-01-02T03:04:05Z","ended":"2027-01-02T03:04:05Z","decisions":[{"by":"123456789012:user:bob","person":"p","approved":true,"at":"2027-01-02T03:04:05Z"}]}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parse(store.Row{ID: "apr-aaaaaaaaaaaaaaaa", Body: body})
		if err != nil {
			return
		}
		row, err := r.row()
		if err != nil {
			return // a year that JSON does not have
		}
		again, err := parse(row)
		if err != nil {
			t.Fatalf("%s: %v", row.Body, err)
		}
		twice, err := again.row()
		if err != nil || !bytes.Equal(twice.Body, row.Body) {
			t.Errorf("%s is stored as %s (%v)", row.Body, twice.Body, err)
		}
	})
}
