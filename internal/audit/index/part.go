package index

import (
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
)

// The fields that every index has, beside its facets.
const (
	fieldRealm     = "realm"
	fieldPrincipal = "principal"
	fieldAction    = "action"
	fieldOperation = "operation"
	fieldResource  = "resource"
	fieldResult    = "result"
	fieldDecision  = "decision"
	// fieldRequest has hashes of request ids, of which nearly every entry has
	// one of its own.
	fieldRequest = "request"
)

// blockSize is how many records share their bounds of time and position.
const blockSize = 128

// block bounds what is in blockSize records: Unix time in seconds.
type block struct {
	first, last   audit.Position
	oldest, newst int64
}

// part is what is known of one segment, in memory.
type part struct {
	number  uint64
	facets  Facets
	hash    audit.Hash     // of the last record
	last    audit.Position // of the last record
	offsets []uint32
	blocks  []block
	fields  map[string]map[string]*runs
}

func newPart(number uint64, facets Facets) *part {
	return &part{number: number, facets: facets, fields: map[string]map[string]*runs{}}
}

// add indexes a record behind all others.
func (p *part) add(r *audit.Record) error {
	e, err := entry.Decode(r.JSON)
	if err != nil {
		return err
	}
	n := uint32(len(p.offsets)) //nolint:gosec // a segment has fewer bytes
	if n%blockSize == 0 {
		p.blocks = append(p.blocks, block{r.Position, r.Position, stamp(e.Time), stamp(e.Time)})
	}
	b := &p.blocks[len(p.blocks)-1]
	b.last, b.oldest, b.newst = r.Position, min(b.oldest, stamp(e.Time)), max(b.newst, stamp(e.Time))
	p.offsets = append(p.offsets, uint32(r.Offset)) //nolint:gosec // at most audit.MaxSegmentSize
	p.hash, p.last = r.Hash, r.Position
	for name, value := range values(&e) {
		p.put(name, value, n)
	}
	p.facets(&e, func(facet, value string) { p.put(facetPrefix+facet, value, n) })
	return nil
}

// stamp is a time as blocks have it, to the second.
func stamp(t time.Time) int64 { return t.Unix() }

// facetPrefix tells facets from fields of the same name.
const facetPrefix = "facet:"

// values yields the values of an entry's fields, as the index has them.
func values(e *entry.Entry) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		_ = yield(fieldRealm, string(e.Realm)) && yield(fieldPrincipal, e.Principal) && yield(fieldAction, e.Action.String()) &&
			yield(fieldOperation, e.Operation) && yield(fieldResource, e.Resource) && yield(fieldResult, e.Result) &&
			yield(fieldDecision, string(e.Decision)) && yield(fieldRequest, hashed(e.RequestID))
	}
}

// hashed is a short text that stands for a value.
func hashed(value string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(value)) // never fails
	return string(h.Sum(nil))
}

func (p *part) put(field, value string, n uint32) {
	byValue := p.fields[field]
	if byValue == nil {
		byValue = map[string]*runs{}
		p.fields[field] = byValue
	}
	list := byValue[value]
	if list == nil {
		list = new(runs)
		byValue[strings.Clone(value)] = list // what it is part of is a whole line
	}
	list.add(n)
}

// count, bounds, match and places are what a search asks of a part (see
// segment).
func (p *part) count() int { return len(p.offsets) }

func (p *part) bounds() ([]block, error) { return p.blocks, nil }

func (p *part) places() ([]uint32, error) { return p.offsets, nil }

func (p *part) match(field, pattern string, into set) error {
	byValue := p.fields[field]
	if !strings.Contains(pattern, "*") || field == fieldRequest {
		if list := byValue[pattern]; list != nil {
			list.into(into)
		}
		return nil
	}
	for value, list := range byValue {
		if audit.Glob(pattern, value) {
			list.into(into)
		}
	}
	return nil
}

// section returns a field's section of the file: the number of values, and of
// each, in their order, its text and its runs.
func (p *part) section(field string) []byte {
	byValue := p.fields[field]
	b := appendNumber(nil, len(byValue))
	for _, value := range slices.Sorted(maps.Keys(byValue)) {
		b = appendNumber(b, len(value))
		b = append(b, value...)
		b = byValue[value].append(b)
	}
	return b
}
