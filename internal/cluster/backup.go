package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Backup is the record of a cluster: whose it is, what its certificates are,
// which tokens it had and which keys were in them. It does not have the keys
// themselves: PKCS #11 has no call that would give them. A cluster that is
// made from a backup takes a token that still has the content, or to which the
// maker's own tools have restored it; the mark that every token of a cluster
// carries tells which those are.
type Backup struct {
	ID     string
	Realm  key.RealmID
	Region string
	// Cluster is the id of the cluster that was backed up, Lineage as in Cluster.
	Cluster, Lineage    string
	Model               string
	Certificate, Anchor []byte
	Tokens              []TokenContent
	CreatedAt           time.Time
	// RetentionDays are the cluster's. They count unless NeverExpires.
	RetentionDays int
	NeverExpires  bool
	// DeleteAt is when a deleted backup is destroyed; zero for one that is not.
	DeleteAt time.Time
	// CopiedAt, SourceRegion and Source tell of a copy where it is from.
	CopiedAt     time.Time
	SourceRegion string
	Source       string
	Tags         []key.Tag
	// Policy is the backup's own, with an empty Text for none.
	Policy key.Document
}

// TokenContent is what a token of a cluster was and held.
type TokenContent struct {
	Token        string `json:"token"`
	Serial       string `json:"serial"`
	Label        string `json:"label,omitempty"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	// Unread says that the token was away when the backup was made.
	Unread  bool     `json:"unread,omitempty"`
	Objects []Object `json:"objects,omitempty"`
}

// BackupState is where a backup is in its life.
type BackupState string

// The states of a backup.
const (
	BackupReady           BackupState = "ready"
	BackupPendingDeletion BackupState = "pending deletion"
)

// State returns the backup's state.
func (b *Backup) State() BackupState {
	if b.DeleteAt.IsZero() {
		return BackupReady
	}
	return BackupPendingDeletion
}

// Recovery is how long a deleted backup can be restored.
const Recovery = 7 * 24 * time.Hour

// Resource returns the backup as the object of a decision.
func (b *Backup) Resource() key.Resource { return resource(key.KindBackup, b.Realm, b.Region, b.ID) }

// held returns the keys that the backup names. A token that could not be read
// counts as one with keys.
func (b *Backup) held() []Object {
	var list []Object
	for _, t := range b.Tokens {
		list = append(list, t.Objects...)
		if t.Unread {
			list = append(list, Object{Class: "unknown"})
		}
	}
	return list
}

// ready refuses a deleted backup.
func (b *Backup) ready() error {
	if b.DeleteAt.IsZero() {
		return nil
	}
	return &fault.Error{Kind: fault.WrongState, Resource: b.Resource().String(), Public: "the backup is pending deletion"}
}

// dueAt returns when the clock has something to do with the backup, zero for
// never: when it is destroyed for good, or its time is over.
func (b *Backup) dueAt() time.Time {
	switch {
	case !b.DeleteAt.IsZero():
		return b.DeleteAt
	case b.NeverExpires:
		return time.Time{}
	default:
		return b.CreatedAt.AddDate(0, 0, b.RetentionDays)
	}
}

// record makes the backup of a cluster as it is, to be stored with what it is
// made for. With the id of an HSM, only that one's token is read: it is the
// last one.
func (s *Service) record(ctx context.Context, c *Cluster, hsm string) *Backup {
	b := &Backup{
		ID: newID(), Realm: c.Realm, Region: c.Region, Cluster: c.ID, Lineage: c.Lineage, Model: c.Model,
		Certificate: c.Certificate, Anchor: c.Anchor, RetentionDays: c.RetentionDays,
		CreatedAt: s.now().UTC().Truncate(time.Millisecond),
	}
	for _, h := range c.HSMs {
		if hsm != "" && h.ID != hsm {
			continue
		}
		content := TokenContent{Token: h.Token, Serial: h.Serial}
		l, held, err := s.inspect(ctx, &h)
		if err != nil {
			content.Unread = true
			s.log.WarnContext(ctx, "a backup is made without a token's content", slog.String("token", h.Token), slog.Any("cause", err))
		} else {
			content.Label, content.Manufacturer, content.Model, content.Objects = l.Label, l.Manufacturer, l.Model, held.Objects
		}
		b.Tokens = append(b.Tokens, content)
	}
	return b
}

// backupRecord is the JSON body of a row of store.Backups, whose id is the
// backup's.
type backupRecord struct {
	V             int            `json:"v"`
	Realm         key.RealmID    `json:"realm"`
	Region        string         `json:"region"`
	Cluster       string         `json:"cluster"`
	Lineage       string         `json:"lineage"`
	Model         string         `json:"model"`
	Certificate   []byte         `json:"certificate"`
	Anchor        []byte         `json:"anchor"`
	Tokens        []TokenContent `json:"tokens,omitempty"`
	CreatedAt     time.Time      `json:"created"`
	RetentionDays int            `json:"retentionDays"`
	NeverExpires  bool           `json:"neverExpires,omitempty"`
	DeleteAt      time.Time      `json:"delete,omitzero"`
	CopiedAt      time.Time      `json:"copied,omitzero"`
	SourceRegion  string         `json:"sourceRegion,omitempty"`
	Source        string         `json:"source,omitempty"`
	Tags          [][2]string    `json:"tags,omitempty"`
	Dialect       string         `json:"policyDialect,omitempty"`
	Policy        string         `json:"policy,omitempty"`
}

// row returns the stored form of a backup.
func (b *Backup) row() (store.Row, error) {
	body, err := json.Marshal(backupRecord{
		V: recordVersion, Realm: b.Realm, Region: b.Region, Cluster: b.Cluster, Lineage: b.Lineage, Model: b.Model,
		Certificate: b.Certificate, Anchor: b.Anchor, Tokens: b.Tokens, CreatedAt: b.CreatedAt,
		RetentionDays: b.RetentionDays, NeverExpires: b.NeverExpires, DeleteAt: b.DeleteAt, CopiedAt: b.CopiedAt,
		SourceRegion: b.SourceRegion, Source: b.Source, Tags: pairs(b.Tags), Dialect: b.Policy.Dialect, Policy: b.Policy.Text,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding backup %s: %w", b.ID, err)
	}
	due := ""
	if at := b.dueAt(); !at.IsZero() {
		due = at.UTC().Format(store.TimeFormat)
	}
	return store.Row{ID: b.ID, Columns: []string{scopeOf(b.Realm, b.Region), due}, Body: body}, nil
}

// readBackup reads what row wrote.
func readBackup(row store.Row) (*Backup, error) {
	var r backupRecord
	if err := decode(row, "backup", &r, &r.V); err != nil {
		return nil, err
	}
	return &Backup{
		ID: row.ID, Realm: r.Realm, Region: r.Region, Cluster: r.Cluster, Lineage: r.Lineage, Model: r.Model,
		Certificate: r.Certificate, Anchor: r.Anchor, Tokens: r.Tokens, CreatedAt: r.CreatedAt,
		RetentionDays: r.RetentionDays, NeverExpires: r.NeverExpires, DeleteAt: r.DeleteAt, CopiedAt: r.CopiedAt,
		SourceRegion: r.SourceRegion, Source: r.Source, Tags: tagsOf(r.Tags), Policy: key.Document{Dialect: r.Dialect, Text: r.Policy},
	}, nil
}

func putBackup(tx store.Tx, b *Backup) error {
	row, err := b.row()
	if err != nil {
		return err
	}
	return tx.Put(store.Backups, row)
}

// findBackup reads a backup of any realm.
func findBackup(r store.Reader, call *key.Call, at key.Resource) (*Backup, error) {
	row, err := r.Get(store.Backups, at.ID)
	if err != nil && fault.KindOf(err) == fault.NotFound || err == nil && row.Columns[0] != scopeOf(at.Realm, at.Region) {
		return nil, missing(call, key.KindBackup, at.ID)
	}
	if err != nil {
		return nil, err
	}
	return readBackup(row)
}

// visitBackup finds a backup and authorises an action on it. One of another
// realm exists for whom its policy lets in.
func (s *Service) visitBackup(ctx context.Context, v *guard.Visit, action key.Action, at key.Resource, tags []key.Tag) (*Backup, error) {
	var b *Backup
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		b, err = findBackup(r, v.Call, at)
		return err
	})
	if err != nil {
		v.About(at)
		return nil, err
	}
	t := guard.Target{Action: action, Resource: b.Resource(), Attributes: &policy.Attributes{Tags: tags}}
	if b.Policy.Text != "" {
		if t.Policy, err = s.compiled(b.Realm, b.Policy); err != nil {
			return nil, err
		}
	}
	caller := v.Call.Caller.Principal
	if caller.Realm != b.Realm && (t.Policy == nil || !t.Policy.Knows(caller, b.Realm)) {
		v.About(at)
		return nil, missing(v.Call, key.KindBackup, at.ID)
	}
	return b, v.Authorize(t)
}

// compiled returns a backup's policy, which adds to those of its realm's
// callers and alone lets others in.
func (s *Service) compiled(realm key.RealmID, doc key.Document) (*policy.Policy, error) {
	p, err := s.compile(doc)
	if err != nil {
		return nil, err
	}
	return p.Beside(realm, "backup policy"), nil
}
