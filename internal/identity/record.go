package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of the formats below.
const recordVersion = 1

// userRecord is the JSON body of a row of store.Users.
type userRecord struct {
	V         int                       `json:"v"`
	Realm     key.RealmID               `json:"realm"`
	Name      string                    `json:"name"`
	ID        string                    `json:"id"`
	CreatedAt time.Time                 `json:"created"`
	Policies  map[string]documentRecord `json:"policies,omitempty"`
}

type documentRecord struct {
	Dialect string `json:"dialect"`
	Text    string `json:"text"`
}

// accessKeyRecord is the JSON body of a row of store.AccessKeys. Secret is
// what seal.Root made of the secret, bound to the access key's id.
type accessKeyRecord struct {
	V         int         `json:"v"`
	Realm     key.RealmID `json:"realm"`
	User      string      `json:"user"`
	Active    bool        `json:"active"`
	CreatedAt time.Time   `json:"created"`
	Secret    []byte      `json:"secret"`
}

const secretPurpose = "access key secret" //nolint:gosec // what it is for, not the secret

// userRow is a user's row id and place in memory.
func userRow(realm key.RealmID, name string) string { return string(realm) + "/" + name }

// recordsOf puts named documents into their stored form, documentsOf back.
func recordsOf(docs map[string]key.Document) map[string]documentRecord {
	records := make(map[string]documentRecord, len(docs))
	for name, doc := range docs {
		records[name] = documentRecord(doc)
	}
	return records
}

func documentsOf(records map[string]documentRecord) map[string]key.Document {
	docs := make(map[string]key.Document, len(records))
	for name, doc := range records {
		docs[name] = key.Document(doc)
	}
	return docs
}

func rowOfUser(u *User) (store.Row, error) {
	r := userRecord{V: recordVersion, Realm: u.Realm, Name: u.Name, ID: u.ID, CreatedAt: u.CreatedAt}
	r.Policies = recordsOf(u.Policies)
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding user %s: %w", u.Name, err)
	}
	return store.Row{ID: userRow(u.Realm, u.Name), Columns: []string{string(u.Realm)}, Body: body}, nil
}

func userOf(row store.Row) (*User, error) {
	var r userRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading user %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading user %s: record version %d is not known to this program", row.ID, r.V)
	}
	u := &User{Realm: r.Realm, Name: r.Name, ID: r.ID, CreatedAt: r.CreatedAt, Policies: documentsOf(r.Policies)}
	return u, nil
}

func (d *Directory) rowOfAccessKey(realm key.RealmID, k AccessKey, secret Secret) (store.Row, error) {
	body, err := json.Marshal(accessKeyRecord{
		V: recordVersion, Realm: realm, User: k.User, Active: k.Active, CreatedAt: k.CreatedAt,
		Secret: d.root.Seal(secretPurpose, []byte(secret.text), []byte(k.ID)),
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding access key %s: %w", k.ID, err)
	}
	return store.Row{ID: k.ID, Columns: []string{userRow(realm, k.User)}, Body: body}, nil
}

func (d *Directory) accessKeyOf(row store.Row) (key.RealmID, AccessKey, Secret, error) {
	var r accessKeyRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return "", AccessKey{}, Secret{}, fmt.Errorf("reading access key %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return "", AccessKey{}, Secret{}, fmt.Errorf("reading access key %s: record version %d is not known to this program", row.ID, r.V)
	}
	secret, err := d.root.Unseal(secretPurpose, r.Secret, []byte(row.ID))
	if err != nil {
		return "", AccessKey{}, Secret{}, fmt.Errorf("reading access key %s: %w", row.ID, err)
	}
	return r.Realm, AccessKey{ID: row.ID, User: r.User, Active: r.Active, CreatedAt: r.CreatedAt}, Secret{string(secret)}, nil
}

// withAccessKey returns a user's keys with k added or replaced.
func withAccessKey(list []AccessKey, k AccessKey) []AccessKey {
	out := slices.Clone(list)
	for i := range out {
		if out[i].ID == k.ID {
			out[i] = k
			return out
		}
	}
	out = append(out, k)
	slices.SortFunc(out, func(a, b AccessKey) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Prefixes of ids, which tell the kinds apart (IAM identifiers, IAM User Guide).
const (
	userPrefix      = "AIDA"
	rolePrefix      = "AROA"
	accessKeyPrefix = "AKIA"
	sessionPrefix   = "ASIA"
)

// newIdentifier returns a prefix and 16 random letters and digits.
func newIdentifier(prefix string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return prefix + string(b[:])
}

// newSecret returns a secret of 30 random bytes as 40 characters.
func newSecret() Secret {
	var b [30]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return Secret{base64.StdEncoding.EncodeToString(b[:])}
}
