package auditlog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// auditPage is how many entries are asked of a server at a time.
const auditPage = 1000

// actionNames are the canonical names of all actions.
func actionNames() []string {
	var names []string
	for _, action := range key.Actions() {
		names = append(names, action.String())
	}
	return names
}

// searchOf walks through what a server has for a filter.
func searchOf(ctx context.Context, c *client.Client, f client.AuditFilter) iter.Seq2[client.AuditRecord, error] {
	return func(yield func(client.AuditRecord, error) bool) {
		f.Limit = auditPage
		for {
			l, err := c.Audit(ctx, f)
			if err != nil {
				yield(client.AuditRecord{}, err)
				return
			}
			if !yieldAll(yield, l.Records) || l.Next == "" {
				return
			}
			if f.After, err = strconv.ParseUint(l.Next, 10, 64); err != nil {
				yield(client.AuditRecord{}, fmt.Errorf("reading where the next page begins: %w", err))
				return
			}
		}
	}
}

// tailOf yields a server's newest entries, and with follow those that come,
// until ctx ends.
func tailOf(ctx context.Context, c *client.Client, f client.AuditFilter, follow bool) iter.Seq2[client.AuditRecord, error] {
	return func(yield func(client.AuditRecord, error) bool) {
		l, err := c.Audit(ctx, f)
		if err != nil {
			yield(client.AuditRecord{}, err)
			return
		}
		if !yieldAll(yield, l.Records) || !follow {
			return
		}
		// Every question is itself an entry, so the end of the log is behind
		// the last match: the next page begins at the last entry seen.
		f.Last = 0
		if n := len(l.Records); n > 0 {
			f.After = l.Records[n-1].Position
		}
		for sleep(ctx, followInterval) {
			for r, err := range searchOf(ctx, c, f) {
				if errors.Is(err, context.Canceled) || !yield(r, err) || err != nil {
					return
				}
				f.After = r.Position
			}
		}
	}
}

func yieldAll(yield func(client.AuditRecord, error) bool, records []client.AuditRecord) bool {
	for _, r := range records {
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// recordLine writes an entry for people.
func recordLine(r *client.AuditRecord) string {
	words := []string{strconv.FormatUint(r.Position, 10), terminal.Cell(r.Time), r.Result, r.Action, terminal.OrDash(r.Principal), terminal.OrDash(r.Resource)}
	for _, d := range r.Details {
		words = append(words, d.Name+"="+d.Value)
	}
	if r.Error != "" {
		words = append(words, "("+r.Error+")")
	}
	return terminal.Printable(strings.Join(words, "  "))
}
