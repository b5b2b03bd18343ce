package index

import (
	"context"
	"iter"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// Source is an audit.Source with Search. *Index is one.
type Source interface {
	audit.Source
	Search(ctx context.Context, q *Query) iter.Seq2[*audit.Record, error]
}

// Over returns a Source that looks at every entry: for logs in memory, which
// are short.
func Over(s audit.Source, facets Facets) Source { return &scan{s, facets} }

type scan struct {
	audit.Source
	facets Facets
}

// Search implements Source.
func (s *scan) Search(ctx context.Context, q *Query) iter.Seq2[*audit.Record, error] {
	return func(yield func(*audit.Record, error) bool) {
		var found []*audit.Record
		for r, err := range s.Read(ctx, q.Filter) {
			switch {
			case err != nil:
				yield(nil, err)
				return
			case !q.has(s.facets, r):
			case q.Newest:
				found = append(found, r)
			case !yield(r, nil):
				return
			}
		}
		for _, r := range slices.Backward(found) {
			if !yield(r, nil) {
				return
			}
		}
	}
}
