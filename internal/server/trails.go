package server

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
)

// indexDir is where the audit log's directory has its index, which is made
// anew when it is lost.
const indexDir = "index"

// openIndex opens the index of an audit log.
func openIndex(log audit.Segmented, dir string) (*index.Index, error) {
	return index.Open(index.Config{
		Log: log, Dir: filepath.Join(dir, indexDir), Facets: eventFacets, Version: trail.FacetsVersion,
	})
}

// eventFacets is index.Facets: what an entry is found by as an event.
func eventFacets(e *entry.Entry, put func(facet, value string)) {
	v := eventOf(e)
	v.Facets(put)
}

// indexLog indexes what came into the audit log.
func (i *instance) indexLog(ctx context.Context) (more bool, err error) {
	if x, ok := i.entries.(*index.Index); ok {
		return x.Tick(ctx)
	}
	return false, nil // a log in memory has none
}

// openTrails opens the trails, whose files go to sink.
func (i *instance) openTrails(c *config.Config, sink trail.Sink, log *slog.Logger) {
	last, _ := i.audit.(interface{ Last() audit.Position }) // of every log
	i.trails = trail.New(trail.Config{
		Guard: i.guard, Store: i.store, Log: trailLog{i.entries, last}, Format: trailFormat{i.log}, Sink: sink,
		Interval: c.Trails.Interval, Out: log,
	})
}

// trailLog is the audit log as trails read it.
type trailLog struct {
	index.Source
	last interface{ Last() audit.Position }
}

// Last implements trail.Log.
func (l trailLog) Last() audit.Position { return l.last.Last() }

// trailFormat puts events into CloudTrail's words: of the log with this id.
type trailFormat struct{ log string }

// eventOf returns an entry as trails see it, without an id.
func eventOf(e *entry.Entry) trail.Event {
	v := auditformat.EventOf(e)
	return trail.Event{
		Time: v.Time, Name: v.Name, Source: v.Source, Region: v.Region, Username: v.Username, Principal: v.PrincipalARN(),
		AccessKey: v.AccessKey, Type: v.Type, Thing: v.ResourceName, ThingType: v.ResourceType, ReadOnly: v.ReadOnly, Data: v.Data,
		Global: v.Global(),
	}
}

// Event implements trail.Format.
func (f trailFormat) Event(r *audit.Record) trail.Event {
	v := eventOf(&r.Entry)
	v.ID = auditformat.EventID(f.log, r.Position).String()
	return v
}

// Document implements trail.Format.
func (f trailFormat) Document(r *audit.Record) []byte {
	return auditformat.New(f.log, "").CloudTrail(nil, r)
}

// Position implements trail.Format.
func (f trailFormat) Position(id string) (audit.Position, bool) {
	return auditformat.ParseEventID(f.log, id)
}

// NewFile implements trail.Format.
func (f trailFormat) NewFile(w io.Writer) trail.File {
	return auditformat.NewWriter(w, auditformat.CloudTrail, auditformat.New(f.log, ""), true)
}

// FileName implements trail.Format.
func (trailFormat) FileName(realm key.RealmID, region string, first time.Time, unique string) string {
	return auditformat.CloudTrailFile(string(realm), region, first, unique)
}
