package identity

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// MaxClientCertificates is how many rules about certificates a user has.
const MaxClientCertificates = 10

// clientPrefix begins the ids of rules, and clientRow their rows in
// store.Factors, which other factors have beside them.
const (
	clientPrefix = "CERT"
	clientRow    = "certificate/"
)

// maxClientName is the longest subject or name of a rule, in bytes.
const maxClientName = 1024

// clientRecord is the JSON body of a row of store.Factors whose id begins with
// clientRow. It holds no secret.
type clientRecord struct {
	V         int         `json:"v"`
	Realm     key.RealmID `json:"realm"`
	User      string      `json:"user"`
	UserID    string      `json:"userId"`
	SHA256    string      `json:"sha256,omitempty"`
	Authority string      `json:"authority,omitempty"`
	Subject   string      `json:"subject,omitempty"`
	Name      string      `json:"name,omitempty"`
	CreatedAt time.Time   `json:"created"`
}

func (c *ClientCertificate) row() (store.Row, error) {
	body, err := json.Marshal(clientRecord{
		V: recordVersion, Realm: c.Realm, User: c.User, UserID: c.UserID, SHA256: c.SHA256, Authority: c.Authority,
		Subject: c.Subject, Name: c.Name, CreatedAt: c.CreatedAt,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding client certificate %s: %w", c.ID, err)
	}
	return store.Row{ID: clientRow + c.ID, Columns: []string{userRow(c.Realm, c.User)}, Body: body}, nil
}

func clientOf(row store.Row) (*ClientCertificate, error) {
	var r clientRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading client certificate %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading client certificate %s: record version %d is not known to this program", row.ID, r.V)
	}
	return &ClientCertificate{
		ID: strings.TrimPrefix(row.ID, clientRow), Realm: r.Realm, User: r.User, UserID: r.UserID, SHA256: r.SHA256,
		Authority: r.Authority, Subject: r.Subject, Name: r.Name, CreatedAt: r.CreatedAt,
	}, nil
}

// loadClients reads the rules about client certificates.
func loadClients(r store.Reader) (*clientRules, error) {
	all := map[string]*ClientCertificate{}
	for row, err := range r.Scan(store.Factors, store.Query{From: clientRow, To: strings.TrimSuffix(clientRow, "/") + "0"}) { // "0" follows "/"
		if err != nil {
			return nil, err
		}
		c, err := clientOf(row)
		if err != nil {
			return nil, err
		}
		all[c.ID] = c
	}
	return newClientRules(all), nil
}

// ofUser returns a user's rules in order of their making.
func (r *clientRules) ofUser(u *User) []*ClientCertificate {
	var list []*ClientCertificate
	for _, c := range r.byID {
		if c.Realm == u.Realm && c.User == u.Name {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *ClientCertificate) int {
		if n := a.CreatedAt.Compare(b.CreatedAt); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

// NewClientCertificate asks for a rule: either SHA256, or Authority with a
// Subject, a Name or both, as ClientCertificate has them.
type NewClientCertificate struct {
	User                             string
	SHA256, Authority, Subject, Name string
	// Resolve returns the id of the authority that the caller names. It is called
	// once the caller is known to be allowed.
	Resolve func(call *key.Call, authority string) (id string, err error)
}

// check refuses requests that say too little or too much.
func (n *NewClientCertificate) check() error {
	if n.SHA256 != "" {
		if n.Authority != "" || n.Subject != "" || n.Name != "" {
			return fault.New(fault.InvalidArgument, "a certificate is known by its SHA-256, or by its authority with a subject or name")
		}
		if b, err := hex.DecodeString(n.SHA256); err != nil || len(b) != 32 {
			return fault.New(fault.InvalidArgument, "the SHA-256 of a certificate has 64 hexadecimal digits")
		}
		return nil
	}
	if n.Authority == "" || n.Subject == "" && n.Name == "" {
		return fault.New(fault.InvalidArgument, "a certificate is known by its SHA-256, or by its authority with a subject or name")
	}
	if len(n.Subject) > maxClientName || len(n.Name) > maxClientName {
		return fault.New(fault.InvalidArgument, "a subject and a name have at most %d bytes", maxClientName)
	}
	return nil
}

// PutClientCertificate lets certificates of TLS clients prove a user.
func (a *Admin) PutClientCertificate(ctx context.Context, call *key.Call, n *NewClientCertificate) (*ClientCertificate, error) {
	var made *ClientCertificate
	_, err := a.changeUser(ctx, call, key.PutClientCertificate, n.User, func(v *guard.Visit, u *User) error {
		if err := n.check(); err != nil {
			return err
		}
		c := &ClientCertificate{
			ID: newIdentifier(clientPrefix), Realm: u.Realm, User: u.Name, UserID: u.ID, SHA256: strings.ToLower(n.SHA256),
			Subject: n.Subject, Name: strings.ToLower(n.Name), CreatedAt: a.directory.now().UTC(),
		}
		if n.Authority != "" {
			id, err := n.Resolve(call, n.Authority)
			if err != nil {
				return err
			}
			c.Authority = id
		}
		if err := a.directory.clients.Load().admit(c, u); err != nil {
			return err
		}
		v.Note("client certificate", c.ID)
		v.Note("known by", c.knownBy())
		made = c
		return a.storeClient(ctx, v, c)
	})
	return made, err
}

// knownBy says in a line which certificates the rule is about.
func (c *ClientCertificate) knownBy() string {
	if c.SHA256 != "" {
		return hashPrefix + c.SHA256
	}
	text := "authority " + c.Authority
	if c.Subject != "" {
		text += ", subject " + c.Subject
	}
	if c.Name != "" {
		text += ", name " + c.Name
	}
	return text
}

// admit refuses a rule that is there already, and one too many.
func (r *clientRules) admit(c *ClientCertificate, u *User) error {
	if len(r.ofUser(u)) >= MaxClientCertificates {
		return fault.New(fault.LimitExceeded, "a user has at most %d client certificates: remove one first", MaxClientCertificates)
	}
	for _, other := range r.byID {
		if other.SHA256 == c.SHA256 && other.Authority == c.Authority && other.Subject == c.Subject && other.Name == c.Name {
			return fault.New(fault.AlreadyExists, "such certificates prove a user already")
		}
	}
	return nil
}

// storeClient records and stores a rule and makes it count. The lock is held.
func (a *Admin) storeClient(ctx context.Context, v *guard.Visit, c *ClientCertificate) error {
	row, err := c.row()
	if err != nil {
		return err
	}
	return v.Commit(ctx, func() error {
		err := a.directory.store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Factors, row) })
		if err == nil {
			a.directory.changeClients(func(all map[string]*ClientCertificate) { all[c.ID] = c })
		}
		return err
	})
}

// changeClients replaces the rules. The lock is held.
func (d *Directory) changeClients(change func(map[string]*ClientCertificate)) {
	all := maps.Clone(d.clients.Load().byID)
	change(all)
	d.clients.Store(newClientRules(all))
}

// ClientCertificates returns a user's rules in order of their making.
func (a *Admin) ClientCertificates(ctx context.Context, call *key.Call, user string) ([]*ClientCertificate, error) {
	return guard.Do(ctx, a.guard, call, key.GetUser, func(v *guard.Visit) ([]*ClientCertificate, error) {
		if err := v.Authorize(target(call, key.GetUser, user)); err != nil {
			return nil, err
		}
		u, err := a.find(call, user)
		if err != nil {
			return nil, err
		}
		return a.directory.clients.Load().ofUser(u), nil
	})
}

// DeleteClientCertificate ends a rule of a user.
func (a *Admin) DeleteClientCertificate(ctx context.Context, call *key.Call, user, id string) error {
	_, err := a.changeUser(ctx, call, key.DeleteClientCertificate, user, func(v *guard.Visit, u *User) error {
		v.Note("client certificate", id)
		c, ok := a.directory.clients.Load().byID[id]
		if !ok || c.Realm != u.Realm || c.User != u.Name {
			return fault.New(fault.NotFound, "user %s has no client certificate %s", user, id)
		}
		return v.Commit(ctx, func() error {
			err := a.directory.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Factors, clientRow+id) })
			if err == nil {
				a.directory.changeClients(func(all map[string]*ClientCertificate) { delete(all, id) })
			}
			return err
		})
	})
	return err
}

// dropClients forgets a user's rules once they are removed. The lock is held.
func (d *Directory) dropClients(u *User) {
	d.changeClients(func(all map[string]*ClientCertificate) {
		maps.DeleteFunc(all, func(_ string, c *ClientCertificate) bool { return c.Realm == u.Realm && c.User == u.Name })
	})
}
