package survey

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// How far the audit log is read back.
const (
	maxDays    = 365
	maxEntries = 500_000
	maxWitness = 50 // principals remembered for a key
)

// may reports whether the caller may do what is about a realm at large.
func (c *check) may(a key.Action, kind key.ResourceKind) bool {
	return c.visit.May(guard.Target{Action: a, Resource: key.Resource{Kind: kind, Realm: c.realm}})
}

// readLog gathers from the audit log who did what with the realm's keys.
func (c *check) readLog(ctx context.Context) error {
	log := key.Resource{Kind: key.KindServer, Realm: c.realm, ID: "audit"}
	if !c.visit.May(guard.Target{Action: key.ReadAudit, Resource: log}) {
		c.since = compliance.Unknown[time.Time]("the caller may not read the audit log")
		return nil
	}
	since := c.now.AddDate(0, 0, -max(maxDays, c.settings.Unused))
	for r, err := range c.c.Log.Read(ctx, audit.Filter{}) { // the first entry there is
		if err != nil {
			return err
		}
		since = later(since, r.Entry.Time)
		break
	}
	q := &index.Query{Filter: audit.Filter{From: since, Realm: string(c.realm), Action: "key:*", Result: "ok"}, Newest: true}
	n := 0
	for r, err := range c.c.Log.Search(ctx, q) {
		if err != nil {
			return err
		}
		c.witness(&r.Entry)
		if n++; n == maxEntries {
			since = r.Entry.Time
			break
		}
	}
	c.since = compliance.Known(since)
	c.visit.NoteInt("entries", n)
	return nil
}

// witness notes what an entry tells of a key.
func (c *check) witness(e *audit.Entry) {
	verifies := e.Action == key.Verify || e.Action == key.VerifyMAC
	uses, administers := slices.Contains(uses(), e.Action), slices.Contains(administers(), e.Action)
	if e.Resource == "" || !uses && !administers && !verifies {
		return
	}
	a := c.activity[e.Resource]
	if a == nil {
		a = &compliance.Activity{}
		c.activity[e.Resource] = a
	}
	if uses || verifies {
		a.Used = later(a.Used, e.Time)
	}
	if who, ok := key.ParsePrincipal(e.Principal); !ok || who.Kind == key.Service {
		return // a part of Holdfast is nobody with duties
	}
	switch {
	case uses:
		a.Users = noted(a.Users, e.Principal)
	case administers:
		a.Administrators = noted(a.Administrators, e.Principal)
	}
}

// noted adds a name to a list that has each once, while there is room.
func noted(list []string, name string) []string {
	if len(list) >= maxWitness || slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
