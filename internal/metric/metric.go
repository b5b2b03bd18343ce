// Package metric counts what is done with keys and authorities, and keeps the
// counts: Meter sees every audit entry on its way into the log (it is a
// tap.Observer) and adds it up in memory; Service writes what there is to the
// store every minute and when it ends, and answers questions about it.
//
// A Series is whose figures they are, such as one operation on one key, and
// has one or more metrics (Name). Figures are kept in bins of ten seconds for
// three hours, of a minute for 15 days, of five minutes for 63 days and of an
// hour for 455 days. All four are written at once: nothing has to be rolled up
// later, and what expires is only deleted.
//
// Start with Service. meter.go is what every call passes, and is kept short;
// flush.go writes, read.go reads, block.go has the format of what is stored.
//
// Several servers over one store add to the same bins. What one of them has
// counted since its last minute, the others do not see yet.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package metric

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Kind says what a series is about: a closed set.
type Kind string

// The kinds.
const (
	// Calls are those on keys, aliases and key stores. The ID is a key's.
	Calls Kind = "calls"
	// Issues are requests for certificates. The ID is an authority's.
	Issues Kind = "issues"
	// Material is imported key material that expires. The ID is a key's.
	Material Kind = "material"
	// Expiry is the end of managed certificates. The ID is such a one's.
	Expiry Kind = "expiry"
)

// Name is a metric of a series: a closed set.
type Name string

// The metrics. Of each counted call, a metric has one sample, 1 or 0, so that
// the average of Errors is the share of calls that failed.
const (
	Requests  Name = "requests"  // calls; every sample is 1
	Errors    Name = "errors"    // calls that failed, for whatever reason
	Denied    Name = "denied"    // calls that nobody's policy allows, or that one denies
	Throttled Name = "throttled" // calls beyond a limit
	Issued    Name = "issued"    // certificates issued
	NotIssued Name = "not-issued"
	Seconds   Name = "seconds" // until the material expires
	Days      Name = "days"    // until the certificate expires
)

// Names returns the metrics of a kind.
func (k Kind) Names() []Name {
	switch k {
	case Calls:
		return []Name{Requests, Errors, Denied, Throttled}
	case Issues:
		return []Name{Issued, NotIssued}
	case Material:
		return []Name{Seconds}
	case Expiry:
		return []Name{Days}
	}
	return nil
}

// The units of metrics.
const (
	UnitCount   = "Count"
	UnitSeconds = "Seconds"
	UnitNone    = "None" // a number of days
)

// Unit returns the unit of a metric.
func (n Name) Unit() string {
	switch n {
	case Seconds:
		return UnitSeconds
	case Days:
		return UnitNone
	case Requests, Errors, Denied, Throttled, Issued, NotIssued:
	}
	return UnitCount
}

// Series is whose figures they are. ID is "" for all things together,
// Operation key.NoAction for all operations.
type Series struct {
	Realm     key.RealmID
	Region    string
	Kind      Kind
	ID        string
	Operation key.Action
}

// Metric is one metric of a series.
type Metric struct {
	Series
	Name Name
}

// Statistic is how a period's samples become a number: a closed set.
type Statistic string

// The statistics.
const (
	SampleCount Statistic = "samples"
	Average     Statistic = "average"
	Sum         Statistic = "sum"
	Minimum     Statistic = "minimum"
	Maximum     Statistic = "maximum"
)

// Point is the figures of one period that has samples.
type Point struct {
	Time                   time.Time // at which the period begins
	Samples, Sum, Min, Max float64
}

// Value returns a statistic of the period.
func (p *Point) Value(s Statistic) float64 {
	switch s {
	case SampleCount:
		return p.Samples
	case Average:
		return p.Sum / p.Samples
	case Sum:
		return p.Sum
	case Minimum:
		return p.Min
	case Maximum:
		return p.Max
	}
	return 0
}

// Reading is a figure that is not counted but looked at.
type Reading struct {
	Realm  key.RealmID
	Region string
	ID     string
	Value  float64
}

// Gauge is looked at now and then: at the start, and after Every, a minute or
// more.
type Gauge struct {
	Kind  Kind
	Every time.Duration
	Read  func(ctx context.Context, now time.Time) ([]Reading, error)
}

// Config says what a Service works with. Gauges, Log and Now may be left out.
type Config struct {
	// Meter is what counts, from before there is a Service.
	Meter  *Meter
	Guard  *guard.Guard
	Store  store.Store
	Gauges []Gauge
	Log    *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service counts, keeps and tells. All methods may be called at the same time.
// Errors are *fault.Error.
type Service struct {
	meter  *Meter
	guard  *guard.Guard
	store  store.Store
	gauges []Gauge
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex // guards what follows, and is held while figures go from there to the store
	pending map[Series]bins
	held    int       // bins in pending
	flushed time.Time // when the last writing of everything began
	writing bool      // that writing has not come to its end
	looked  map[Kind]time.Time
	dropped atomic.Int64
}

// bins are figures by the number of their ten seconds since 1970.
type bins map[int64]*Bin

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{
		meter: c.Meter, guard: c.Guard, store: c.Store, gauges: c.Gauges, log: c.Log, now: c.Now,
		pending: map[Series]bins{}, looked: map[Kind]time.Time{},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Counts returns what the calls for an action are counted as, "" for nothing.
func Counts(a key.Action) Kind {
	if int(a) < len(counts) {
		return counts[a]
	}
	return ""
}

// counts has every action's kind.
var counts = countedKinds()

func countedKinds() (kinds [256]Kind) {
	for _, a := range key.Actions() {
		noun, _, _ := strings.Cut(a.String(), ":")
		switch {
		case noun == "key" || noun == "alias" || noun == "keystore" || noun == "random":
			kinds[a] = Calls
		case a == key.IssueCertificate:
			kinds[a] = Issues
		}
	}
	return kinds
}
