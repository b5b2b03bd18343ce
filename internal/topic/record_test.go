package topic //nolint:testpackage // the records are nobody's but this package's

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestRecords: what is written is read back the same, and a record of another
// version is not read.
func TestRecords(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ref := Ref(key.DefaultRealm, "eu-central-1", "orders")
	rule := DefaultRetry()
	topic := &Topic{
		Resource: ref, Tags: []key.Tag{{Key: "a", Value: "b"}}, CreatedAt: at,
		Settings: Settings{
			DisplayName: "Orders", Policy: key.Document{Dialect: "aws", Text: "{}"}, Retry: &rule, FixedRetry: true, ContentType: "text/csv",
			Key: kms.Ref{Alias: "alias/x"}, KeyName: "alias/x", Signature: 2,
		},
	}
	sub := &Subscription{
		Topic: ref, ID: "28f019d6-e4c1-4953-a2db-28ad86317b5c", Protocol: HTTPS, Endpoint: "https://a.example.com/", Owner: key.DefaultRealm,
		CreatedAt: at, ConfirmedBy: "token", LeftAt: at, Guarded: true,
		Wishes: Wishes{Raw: true, Filter: `{"a":["b"]}`, OnBody: true, Retry: &rule, ContentType: "text/css"},
	}
	token := sub.newToken(at)
	if idOf(token) != sub.ID {
		t.Errorf("the token is of %q", idOf(token))
	}
	failed := &delivery{
		V: 1, Protocol: Email, Endpoint: "a@example.com", Created: at, Attempts: 3, Error: "down", FailedAt: at, message: "m",
		subscription: sub.rowID(), scope: scopeOf(ref),
	}
	rowOf := func(row store.Row, err error) store.Row {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return row
	}
	topicRow, subRow, failedRow := rowOf(topic.row()), rowOf(sub.row()), rowOf(failed.row(at))
	readTo, err := readTopic(topicRow)
	if diff := cmp.Diff(topic, readTo, cmpopts.IgnoreUnexported(Topic{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	readSub, err := readSubscription(subRow)
	if diff := cmp.Diff(sub, readSub, cmp.AllowUnexported(Subscription{})); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	readBack, err := readDelivery(failedRow)
	if diff := cmp.Diff(failed, readBack, cmp.AllowUnexported(delivery{})); diff != "" || err != nil || failedRow.Columns[1] != scopeOf(ref) {
		t.Errorf("%v %v\n%s", err, failedRow.Columns, diff)
	}
	for _, row := range []store.Row{topicRow, subRow, failedRow} {
		var members map[string]any
		if err := json.Unmarshal(row.Body, &members); err != nil {
			t.Fatal(err)
		}
		members["v"] = 2
		if row.Body, err = json.Marshal(members); err != nil {
			t.Fatal(err)
		}
		_, one := readTopic(row)
		_, two := readSubscription(row)
		_, three := readDelivery(store.Row{ID: failedRow.ID, Body: row.Body})
		if one == nil || two == nil || three == nil {
			t.Errorf("%s: a record of version 2 was read", row.ID)
		}
	}
}
