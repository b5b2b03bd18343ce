package inventory

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// A plan is a way to go through certificates, some of which a search wants.
// Each but everything is a range of an index, so that its cost depends on how
// many certificates it finds and not on how many there are.
type plan struct {
	// name stands in markers of pages.
	name string
	// indexed tells that it goes by store.Terms.
	indexed bool
	// steps goes on after a place that an earlier page ended at, "" for the
	// start, until look returns an error, which it returns.
	steps func(r store.Reader, after string, look look) error
}

// look takes one certificate, or nil where there is none any more, and the
// place where it stands.
type look func(at string, e *Entry) error

// planKey is the name of the plan by keys.
const planKey = "key"

// choose returns the plan that looks at the fewest certificates. Without an
// index that is ready, there are fewer plans.
func (l *search) choose(ready bool) plan {
	named := term.NewPattern(l.Name).Ranges(l.realm)
	switch {
	case l.Serial != "":
		return plan{"serial", false, l.bySerial}
	case ready && l.Key != "":
		return l.byTerms(planKey, []term.Range{term.PrefixRange(term.Prefix(l.realm, term.Key) + l.Key[:term.KeyDigits] + "/")})
	case ready && l.Name != "" && named != nil:
		return l.byTerms("name", named)
	case l.State == Revoked || l.State == Held:
		return plan{"revoked", false, l.byRevocation}
	case !l.ExpiresAfter.IsZero() || !l.ExpiresBefore.IsZero():
		return plan{"expiry", false, l.byExpiry}
	case ready && l.Requester != "":
		return l.byBlocks("requester", term.Prefix(l.realm, term.Requester)+term.Text(l.Requester)+"/")
	case ready && l.Profile != "":
		return l.byBlocks("profile", term.Prefix(l.realm, term.Profile)+term.Text(l.Profile)+"/")
	}
	return plan{"all", false, l.everything}
}

// bySerial asks each authority for the one certificate that it may have. A
// place is an entry's id; those of foreign certificates sort behind those of
// authorities, which are UUIDs.
func (l *search) bySerial(r store.Reader, after string, look look) error {
	for _, a := range l.authorities {
		id := ca.CertificateID(a, l.Serial)
		if id <= after {
			continue
		}
		e, err := stored(r, id)
		if err == nil {
			err = look(id, e)
		}
		if err != nil {
			return err
		}
	}
	if !l.foreign {
		return nil
	}
	prefix := term.Prefix(l.realm, term.Serial) + l.Serial + "/"
	q := queryOf(term.PrefixRange(prefix))
	if strings.HasPrefix(after, term.FoundMark) {
		q.After = prefix + after
	}
	for row, err := range l.scan(r, store.Terms, q) {
		if err != nil {
			return err
		}
		e, err := l.about(r, row.ID)
		if err == nil {
			err = look(row.ID[len(prefix):], e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scan is Reader.Scan by ids, reading few rows at first and more later: a page
// is often short.
func (l *search) scan(r store.Reader, t *store.Table, q store.Query) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for q.Limit = min(l.limit+1, maxPiece); ; q.Limit = min(2*q.Limit, maxPiece) {
			n := 0
			for row, err := range r.Scan(t, q) {
				if !yield(row, err) || err != nil {
					return
				}
				n++
				q.After = row.ID
			}
			if n < q.Limit {
				return
			}
		}
	}
}

// maxPiece is the largest number of rows that scan reads at a time.
const maxPiece = 512

func queryOf(r term.Range) store.Query { return store.Query{From: r.From, To: r.To} }

// byTerms follows the terms of ranges. A certificate with several terms in
// them comes at the first only. A place is the number of the range and the
// term.
func (l *search) byTerms(name string, ranges []term.Range) plan {
	return plan{name, true, func(r store.Reader, after string, look look) error {
		number, last, _ := strings.Cut(after, ":")
		first, _ := strconv.Atoi(number) // 0 when there is none
		for n := max(first, 0); n < len(ranges); n++ {
			q := queryOf(ranges[n])
			if n == first {
				q.After = last
			}
			err := l.terms(r, q, ranges, func(at string, e *Entry) error { return look(strconv.Itoa(n)+":"+at, e) })
			if err != nil {
				return err
			}
		}
		return nil
	}}
}

// terms follows the terms of one of the ranges. A place is the term.
func (l *search) terms(r store.Reader, q store.Query, ranges []term.Range, look look) error {
	for row, err := range l.scan(r, store.Terms, q) {
		if err != nil {
			return err
		}
		e, err := l.about(r, row.ID)
		if e != nil && !l.firstTerm(e, ranges, row.ID) {
			e = nil
		}
		if err == nil {
			err = look(row.ID, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstTerm reports whether a term is the first of the entry's names in the
// ranges. That of a key is alone.
func (l *search) firstTerm(e *Entry, ranges []term.Range, id string) bool {
	if l.plan.name == planKey {
		return true
	}
	prefix, _ := cutLast(id)
	prefix, _ = cutLast(prefix)
	own := term.Names(l.realm, e.Certificate)
	slices.Sort(own)
	for _, within := range ranges {
		for _, t := range own {
			if within.From <= t && t < within.To {
				return t == prefix+"/"
			}
		}
	}
	return true
}

// byBlocks goes through the blocks of serials that terms with a prefix name.
// A place is a certificate's id.
func (l *search) byBlocks(name, prefix string) plan {
	return plan{name, true, func(r store.Reader, after string, look look) error {
		q := queryOf(term.PrefixRange(prefix))
		if after != "" {
			authority, serial, _ := strings.Cut(after, "/")
			q.From = prefix + authority + "/" + serial[:min(len(serial), term.BlockDigits)]
		}
		for row, err := range l.scan(r, store.Terms, q) {
			if err != nil {
				return err
			}
			block := row.ID[len(prefix):]
			if authority, _, _ := strings.Cut(block, "/"); !l.has(authority) {
				continue
			}
			if err := l.issued(r, term.Range{From: block, To: block + "g"}, after, look); err != nil { // behind every digit
				return err
			}
		}
		return nil
	}}
}

// issued looks at the certificates in a range of ids after a place.
func (l *search) issued(r store.Reader, ids term.Range, after string, look look) error {
	q := queryOf(ids)
	if q.After = after; ids.From >= ids.To || after >= ids.To {
		return nil
	}
	for row, err := range l.scan(r, store.Certificates, q) {
		if err != nil {
			return err
		}
		e, err := issuedEntry(row)
		if err == nil {
			err = look(row.ID, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byRevocation goes through what each authority has revoked. A place is the
// id of a revocation.
func (l *search) byRevocation(r store.Reader, after string, look look) error {
	for _, a := range l.authorities {
		q := store.Query{From: a + "/", To: a + "0", After: after}
		if after >= q.To {
			continue
		}
		for row, err := range l.scan(r, store.Revocations, q) {
			if err != nil {
				return err
			}
			_, serial := cutLast(row.ID)
			e, err := stored(r, ca.CertificateID(a, serial))
			if err == nil {
				err = look(row.ID, e)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// everything goes through all certificates in the order of their ids, which
// is for each authority that of their making, and then through foreign ones.
// A place is an entry's id.
func (l *search) everything(r store.Reader, after string, look look) error {
	for _, a := range l.authorities {
		ids := term.Range{From: a + "/" + serialAt(l.IssuedAfter), To: a + "0"}
		if !l.IssuedBefore.IsZero() {
			ids.To = a + "/" + serialAt(l.IssuedBefore.Add(time.Millisecond))
		}
		if err := l.issued(r, ids, after, look); err != nil {
			return err
		}
	}
	if !l.foreign {
		return nil
	}
	q := queryOf(term.PrefixRange(foundID(l.realm, "")))
	if fingerprint, ok := strings.CutPrefix(after, term.FoundMark+"/"); ok {
		q.After = foundID(l.realm, fingerprint)
	}
	for row, err := range l.scan(r, store.Found, q) {
		if err != nil {
			return err
		}
		e, err := readFound(row)
		if err == nil {
			err = look(e.ID, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
