package deployment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

const recordVersion = 1

// record is the JSON body of a row of store.Deployments.
type record struct {
	V          int         `json:"v"`
	Realm      key.RealmID `json:"realm"`
	Host       string      `json:"host"`
	Name       string      `json:"name"`
	Managed    string      `json:"managed,omitempty"`
	Serial     string      `json:"serial,omitempty"`
	SHA256     string      `json:"sha256,omitempty"`
	Serving    string      `json:"serving,omitempty"`
	Subject    string      `json:"subject,omitempty"`
	NotAfter   time.Time   `json:"notAfter,omitzero"`
	Outcome    Outcome     `json:"outcome"`
	Failure    string      `json:"failure,omitempty"`
	Places     []string    `json:"places,omitempty"`
	Check      string      `json:"check,omitempty"`
	At         time.Time   `json:"at"`
	Reporter   string      `json:"reporter"`
	ReportedAt time.Time   `json:"reported"`
}

// reporter names who reports: a session is its role, which stays.
func reporter(p key.Principal) string {
	if p.Kind == key.Session {
		if at := strings.LastIndexByte(p.Name, '/'); at > 0 {
			p.Name = p.Name[:at]
		}
	}
	return p.String()
}

// id is the deployment's row id: principals do not overwrite one another's.
func (d *Deployment) id() string {
	by := sha256.Sum256([]byte(d.Reporter))
	return string(d.Realm) + "/" + d.Host + "/" + d.Name + "/" + hex.EncodeToString(by[:8])
}

// row returns the deployment as it is stored. Its scope is the reporter.
func (d *Deployment) row() (store.Row, error) {
	body, err := json.Marshal(record{
		V: recordVersion, Realm: d.Realm, Host: d.Host, Name: d.Name, Managed: d.Managed, Serial: d.Serial, SHA256: d.SHA256,
		Serving: d.Serving, Subject: d.Subject, NotAfter: d.NotAfter, Outcome: d.Outcome, Failure: d.Failure, Places: d.Places,
		Check: d.Check, At: d.At, Reporter: d.Reporter, ReportedAt: d.ReportedAt,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding a deployment: %w", err)
	}
	return store.Row{ID: d.id(), Columns: []string{d.Reporter}, Body: body}, nil
}

// read is the way back.
func read(row store.Row) (*Deployment, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading deployment %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading deployment %s: record version %d is not known to this program", row.ID, r.V)
	}
	return &Deployment{
		Report: Report{
			Host: r.Host, Name: r.Name, Managed: r.Managed, Serial: r.Serial, SHA256: r.SHA256, Serving: r.Serving, Subject: r.Subject,
			NotAfter: r.NotAfter, Outcome: r.Outcome, Failure: r.Failure, Places: r.Places, Check: r.Check, At: r.At,
		},
		Realm: r.Realm, Reporter: r.Reporter, ReportedAt: r.ReportedAt,
	}, nil
}
