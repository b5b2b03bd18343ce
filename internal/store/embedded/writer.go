package embedded

import (
	"cmp"
	"context"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// maxGroup bounds how many Updates share a commit, and so how long the first
// of them waits for the last.
const maxGroup = 256

// writer commits the Updates in groups: all that wait when a commit ends run
// one after the other, each in its own caller's goroutine, in one SQLite
// transaction, and share the next commit and its fsync.
//
// The committer goroutine (run) gives the turn to a first Update; each passes
// it to the next that waits, and the last gives it back. Who holds the turn has
// the session to itself.
type writer struct {
	session *session
	turns   chan *group   // passes the turn on; unbuffered: who receives it has started
	ran     chan struct{} // gives the turn back to the committer
	quit    chan struct{} // closed by Close: no further turns
	ended   chan struct{} // closed when run has returned
}

// group is the Updates of one commit.
type group struct {
	open    bool          // the transaction has begun; guarded by the turn, as are the next
	members int           // how many have had the turn
	err     error         // what no member can be spared; others read it after done
	done    chan struct{} // closed when the group's fate is known
}

func newWriter(s *session) *writer {
	w := &writer{
		session: s,
		turns:   make(chan *group), ran: make(chan struct{}),
		quit: make(chan struct{}), ended: make(chan struct{}),
	}
	go w.run()
	return w
}

// close waits for the Updates that have started, and ends the committer.
func (w *writer) close() error {
	close(w.quit)
	<-w.ended
	return w.session.close()
}

// run is the committer.
func (w *writer) run() {
	defer close(w.ended)
	for {
		g := &group{done: make(chan struct{})}
		select {
		case w.turns <- g:
			<-w.ran
		case <-w.quit:
			return
		}
		w.commit(g)
		close(g.done)
	}
}

// pass gives the turn to the next Update that waits or, when there is none or
// the group is full, back to the committer.
func (w *writer) pass(g *group) {
	if g.members++; g.members < maxGroup && g.err == nil {
		select {
		case w.turns <- g:
			return
		default:
		}
	}
	w.ran <- struct{}{}
}

// commit makes what the group has written durable, or undoes it.
func (w *writer) commit(g *group) {
	if !g.open {
		return
	}
	if g.err == nil {
		g.err = w.session.control("COMMIT")
	}
	if g.err != nil {
		// SQLite may have rolled back by itself; then this one fails, rightly.
		_ = w.session.control("ROLLBACK") // see above
	}
}

// update runs f in a turn and waits for the group's commit.
func (w *writer) update(ctx context.Context, f func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var g *group
	select {
	case <-w.quit:
		return closed()
	default:
	}
	select {
	case g = <-w.turns:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return closed()
	}
	if err := w.member(g, f); err != nil {
		return err
	}
	<-g.done
	return g.err
}

// member runs f and takes back what it wrote when it fails, panics or ends
// the goroutine.
func (w *writer) member(g *group, f func(store.Tx) error) (err error) {
	defer w.pass(g)
	first := !g.open
	if err := w.begin(g); err != nil {
		g.err = err
		return err
	}
	tx := &tx{session: w.session, stop: func() error { return nil }}
	succeeded := false
	defer func() {
		tx.ended = true
		if !succeeded {
			w.undo(g, first, tx.broken)
		} else if !first {
			w.release(g)
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	succeeded = tx.broken == nil
	return tx.broken
}

// begin opens the group's transaction or, for all but its first member, a
// savepoint in it.
func (w *writer) begin(g *group) error {
	if g.open {
		return w.session.control("SAVEPOINT member")
	}
	g.open = true
	return w.session.control("BEGIN IMMEDIATE")
}

func (w *writer) release(g *group) {
	if err := w.session.control("RELEASE member"); err != nil {
		g.err = err
	}
}

// undo takes a member's writes back. When SQLite has given up the whole
// transaction (a full disk, an I/O error) because of what broke the member,
// the members before it are lost as well, and the group fails.
func (w *writer) undo(g *group, first bool, broken error) {
	if first {
		g.open = false
		_ = w.session.control("ROLLBACK") // fails only when SQLite has done it by itself
		return
	}
	if err := w.session.control("ROLLBACK TO member"); err != nil {
		g.err = cmp.Or(broken, err)
		return
	}
	w.release(g)
}
