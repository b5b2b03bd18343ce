package identity

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// roleRecord is the JSON body of a row of store.Roles.
type roleRecord struct {
	V           int                       `json:"v"`
	Realm       key.RealmID               `json:"realm"`
	Name        string                    `json:"name"`
	ID          string                    `json:"id"`
	CreatedAt   time.Time                 `json:"created"`
	Description string                    `json:"description,omitempty"`
	Seconds     int                       `json:"longest"` // session
	Trust       documentRecord            `json:"trust"`
	Policies    map[string]documentRecord `json:"policies,omitempty"`
	Tags        []key.Tag                 `json:"tags,omitempty"`
}

func rowOfRole(r *Role) (store.Row, error) {
	body, err := json.Marshal(roleRecord{
		V: recordVersion, Realm: r.Realm, Name: r.Name, ID: r.ID, CreatedAt: r.CreatedAt, Description: r.Description,
		Seconds: int(r.MaxSession / time.Second), Trust: documentRecord(r.Trust), Policies: recordsOf(r.Policies), Tags: r.Tags,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding role %s: %w", r.Name, err)
	}
	return store.Row{ID: userRow(r.Realm, r.Name), Columns: []string{string(r.Realm)}, Body: body}, nil
}

func roleFrom(row store.Row) (*Role, error) {
	var r roleRecord
	if err := readRecord("role", row, &r, &r.V); err != nil {
		return nil, err
	}
	return &Role{
		Realm: r.Realm, Name: r.Name, ID: r.ID, CreatedAt: r.CreatedAt, Description: r.Description,
		MaxSession: time.Duration(r.Seconds) * time.Second, Trust: key.Document(r.Trust), Policies: documentsOf(r.Policies), Tags: r.Tags,
	}, nil
}

// readRecord reads the body of a row, whose version is in v then.
func readRecord(what string, row store.Row, record any, v *int) error {
	if err := json.Unmarshal(row.Body, record); err != nil {
		return fmt.Errorf("reading %s %s: %w", what, row.ID, err)
	}
	if *v != recordVersion {
		return fmt.Errorf("reading %s %s: record version %d is not known to this program", what, row.ID, *v)
	}
	return nil
}

// loadRoles reads all roles into a state that is not shared yet.
func (d *Directory) loadRoles(r store.Reader, s *state) error {
	for row, err := range r.Scan(store.Roles, store.Query{}) {
		if err != nil {
			return err
		}
		role, err := roleFrom(row)
		if err != nil {
			return err
		}
		if err := d.setRole(s, role); err != nil {
			return err
		}
	}
	return nil
}

// setRole puts a role into a state that is not shared yet.
func (d *Directory) setRole(s *state, r *Role) error {
	trust, err := d.config.CompileTrust(r.Trust)
	if err != nil {
		return fmt.Errorf("compiling the trust policy of role %s: %w", r.Name, err)
	}
	policies, err := compileAll(r.Policies, d.compile)
	if err != nil {
		return fmt.Errorf("role %s: %w", r.Name, err)
	}
	s.roles[userRow(r.Realm, r.Name)] = &role{r, trust, policies}
	return nil
}

// issuerRecord is the JSON body of a row of store.Issuers.
type issuerRecord struct {
	V         int               `json:"v"`
	Realm     key.RealmID       `json:"realm"`
	URL       string            `json:"url"`
	Audiences []string          `json:"audiences"`
	Trust     webidentity.Trust `json:"trust"`
	Keys      string            `json:"keys,omitempty"`
	CreatedAt time.Time         `json:"created"`
}

func rowOfIssuer(i *Issuer) (store.Row, error) {
	body, err := json.Marshal(issuerRecord{
		V: recordVersion, Realm: i.Realm, URL: i.URL, Audiences: i.Audiences, Trust: i.Trust, Keys: i.Keys, CreatedAt: i.CreatedAt,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding issuer %s: %w", i.URL, err)
	}
	return store.Row{ID: userRow(i.Realm, i.URL), Columns: []string{string(i.Realm)}, Body: body}, nil
}

// loadIssuers reads all issuers into a state that is not shared yet.
func (d *Directory) loadIssuers(reader store.Reader, s *state) error {
	for row, err := range reader.Scan(store.Issuers, store.Query{}) {
		if err != nil {
			return err
		}
		var r issuerRecord
		if err := readRecord("issuer", row, &r, &r.V); err != nil {
			return err
		}
		i, err := d.newIssuer(r.Realm, webidentity.Registration{URL: r.URL, Audiences: r.Audiences, Trust: r.Trust, Keys: r.Keys}, r.CreatedAt, true)
		if err != nil {
			return fmt.Errorf("issuer %s: %w", row.ID, err)
		}
		s.issuers[userRow(i.Realm, i.Name())] = i
	}
	return nil
}
