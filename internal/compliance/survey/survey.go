// Package survey collects the facts that package compliance judges from
// Holdfast's own services, under the rights of whoever asks: what a caller may
// not see is "not evaluated".
//
// Start with Service.Check. key.go has the facts of keys, activity.go what the
// audit log tells of them, certificate.go those of certificates.
//
// The package is internal and may change with any release.
package survey

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// Keys is what a Service needs of the door. *kms.Service is it.
type Keys interface {
	Each(ctx context.Context, v *guard.Visit, f func(*kms.Overview) error) (hidden int, err error)
}

// Authorities is what it needs of the authorities. *ca.Service is it.
type Authorities interface {
	All() []*ca.Authority
}

// Inventory is what it needs of the inventory. *inventory.Service is it.
type Inventory interface {
	Search(ctx context.Context, call *key.Call, q inventory.Query, page kms.Page) ([]*inventory.Entry, string, error)
}

// Holders is what it needs of the directory. *identity.Directory is it.
type Holders interface {
	Holders(realm key.RealmID) []identity.Holder
}

// Log is what it needs of the audit log. index.Source has it.
type Log interface {
	Search(ctx context.Context, q *index.Query) iter.Seq2[*audit.Record, error]
	Read(ctx context.Context, f audit.Filter) iter.Seq2[*audit.Record, error]
}

// Config says what a Service works with. All fields but Now are needed.
type Config struct {
	Keys        Keys
	Authorities Authorities
	Inventory   Inventory
	Holders     Holders
	Log         Log
	Guard       *guard.Guard
	// Statements reads a policy in the words of its dialect.
	Statements func(key.Document) ([]compliance.Statement, error)
	// Words says in the words of commands what a key is.
	Words func(alg.Spec, alg.Usage) (spec, usage string)
	// Installation fills in what is known of the server.
	Installation func(ctx context.Context, call *key.Call, i *compliance.Installation) error
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service checks what a realm has. Its methods may be called at the same time.
type Service struct {
	c Config
	// turn lets one check run at a time: each looks at everything.
	turn chan struct{}
}

// New returns the service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Service{c, make(chan struct{}, 1)}
}

// check is one check on its way.
type check struct {
	*Service
	*compliance.Checker
	settings compliance.Settings
	call     *key.Call
	visit    *guard.Visit
	realm    key.RealmID
	now      time.Time
	// authorities are those whose keys are which, by the keys' ids.
	authorities map[key.ID]*ca.Authority
	activity    map[string]*compliance.Activity // by the keys' full names
	since       compliance.Fact[time.Time]      // from when on activity is known
	holders     []identity.Holder
	decisions   int
	// mayList tells that the caller may know who has policies.
	mayList bool
}

// Check judges the keys of the caller's realm in all regions, its certificates,
// and the server. It is one entry in the audit log, beside those of the pages
// of the inventory. Only one check runs at a time.
func (s *Service) Check(ctx context.Context, call *key.Call, settings compliance.Settings) (*compliance.Report, error) {
	return guard.Do(ctx, s.c.Guard, call, key.CheckCompliance, func(v *guard.Visit) (*compliance.Report, error) {
		realm := call.Caller.Principal.Realm
		if err := v.Authorize(guard.Target{Action: key.CheckCompliance, Resource: key.Resource{Realm: realm, Region: call.Region}}); err != nil {
			return nil, err
		}
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now := s.c.Now().UTC()
		c := &check{
			Service: s, Checker: compliance.NewChecker("Holdfast, realm "+string(realm), settings, now), settings: settings,
			call: call, visit: v, realm: realm, now: now, authorities: map[key.ID]*ca.Authority{}, activity: map[string]*compliance.Activity{},
		}
		for _, step := range []func(context.Context) error{c.server, c.ofAuthorities, c.readLog, c.keys, c.certificates} {
			if err := step(ctx); err != nil {
				return nil, err
			}
		}
		r := c.Report()
		v.NoteInt("findings", len(r.Findings)+r.More)
		return r, nil
	})
}

// server judges the installation.
func (c *check) server(ctx context.Context) error {
	i := &compliance.Installation{Place: compliance.Holdfast, Resource: string(c.realm) + "/server/holdfast", DevicesKnown: true}
	if err := c.c.Installation(ctx, c.inner(), i); err != nil {
		return fmt.Errorf("looking at the installation: %w", err)
	}
	c.Installation(i)
	return nil
}

// inner returns the caller's call for a step that is recorded by itself.
func (c *check) inner() *key.Call {
	inner := *c.call
	inner.Recorded = false
	return &inner
}
