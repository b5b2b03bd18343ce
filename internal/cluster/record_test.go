package cluster

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// record1 is a cluster as the first release wrote it, backup1 a backup.
const (
	record1 = `{"v":1,"realm":"123456789012","region":"eu-central-1","model":"hsm1.medium","zones":[{"Name":"a","Network":"n"}],` +
		`"hsms":[{"id":"lgoeqhwqnbg","zone":{"Name":"a","Network":"n"},"token":"one","serial":"1","created":"2026-11-22T12:00:00Z"}],` +
		`"certificate":"AQ==","anchor":"Ag==","lineage":"igklspoyj5v","held":[{"class":"private key"}],"retentionDays":90,` +
		`"created":"2026-11-22T12:00:00Z","activated":"2026-11-22T12:00:00Z","tags":[["team","pki"]]}`
	backup1 = `{"v":1,"realm":"123456789012","region":"eu-central-1","cluster":"igklspoyj5v","lineage":"igklspoyj5v","model":"hsm1.medium",` +
		`"certificate":"AQ==","anchor":"Ag==","tokens":[{"token":"one","serial":"1","objects":[{"class":"secret key","id":"01"}]}],` +
		`"created":"2026-11-22T12:00:00Z","retentionDays":90,"policyDialect":"aws","policy":"{}"}`
)

// TestRecords reads what the first release wrote.
func TestRecords(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c, err := readCluster(store.Row{ID: "igklspoyj5v", Body: []byte(record1)})
	if err != nil {
		t.Fatal(err)
	}
	zone := Zone{"a", "n"}
	want := &Cluster{
		ID: "igklspoyj5v", Realm: "123456789012", Region: "eu-central-1", Model: "hsm1.medium", Zones: []Zone{zone},
		HSMs:        []HSM{{ID: "lgoeqhwqnbg", Zone: zone, Token: "one", Serial: "1", CreatedAt: at, State: HSMActive}},
		Certificate: []byte{1}, Anchor: []byte{2}, Lineage: "igklspoyj5v", Held: []Object{{Class: "private key"}}, RetentionDays: 90,
		CreatedAt: at, ActivatedAt: at, Tags: []key.Tag{{Key: "team", Value: "pki"}},
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Cluster{})); diff != "" {
		t.Error(diff)
	}
	for _, body := range []string{``, `{}`, `{"v":2}`, `[]`} {
		if _, err := readCluster(store.Row{ID: "x", Body: []byte(body)}); err == nil {
			t.Errorf("cluster %q is taken", body)
		}
		if _, err := readBackup(store.Row{ID: "x", Body: []byte(body)}); err == nil {
			t.Errorf("backup %q is taken", body)
		}
	}
}

// FuzzCluster holds that what is read is written back as it was read.
func FuzzCluster(f *testing.F) {
	f.Add([]byte(record1))
	f.Fuzz(func(t *testing.T, body []byte) { roundTrip(t, body, readCluster, (*Cluster).row) })
}

// FuzzBackup is FuzzCluster for backups.
func FuzzBackup(f *testing.F) {
	f.Add([]byte(backup1))
	f.Fuzz(func(t *testing.T, body []byte) { roundTrip(t, body, readBackup, (*Backup).row) })
}

func roundTrip[T any](t *testing.T, body []byte, read func(store.Row) (*T, error), write func(*T) (store.Row, error)) {
	first, err := read(store.Row{ID: "x", Body: body})
	if err != nil {
		return
	}
	row, err := write(first)
	if err != nil {
		return // a time that JSON has no room for
	}
	again, err := read(row)
	if err != nil {
		t.Fatal(err)
	}
	second, err := write(again)
	if err != nil || !bytes.Equal(row.Body, second.Body) {
		t.Errorf("%s, then %s, %v", row.Body, second.Body, err)
	}
}

// FuzzClaim holds that no text makes a claim out of nothing.
func FuzzClaim(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, certificate, anchor []byte) {
		claim := &Claim{Certificate: certificate, Anchor: anchor}
		if _, _, err := claim.verify([]byte{0x30, 0x00}, time.Now()); err == nil {
			t.Error("a claim without a request")
		}
	})
}
