package status

import "time"

// Outlook is how the lists of all authorities are.
type Outlook struct {
	// Lists are those that are to be published; Stale of them there is none of, or
	// none whose nextUpdate is still to come.
	Lists, Stale int
	// Next is the first nextUpdate of the others, and Oldest the first thisUpdate;
	// zero where there are none.
	Next, Oldest time.Time
}

// Outlook returns how the lists of all authorities are. It makes none, and asks
// for no decision.
func (s *Service) Outlook() Outlook {
	var o Outlook
	now := s.Now()
	for _, a := range s.Authorities.All() {
		if !a.Publishes() {
			continue
		}
		for _, of := range s.scopes(a) {
			o.Lists++
			l := s.slot(of).current.Load()
			if l == nil || l.lost || !now.Before(l.NextUpdate) {
				o.Stale++
				continue
			}
			if o.Next.IsZero() || l.NextUpdate.Before(o.Next) {
				o.Next = l.NextUpdate
			}
			if o.Oldest.IsZero() || l.ThisUpdate.Before(o.Oldest) {
				o.Oldest = l.ThisUpdate
			}
		}
	}
	return o
}
