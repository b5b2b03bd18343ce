package seal

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// Progress is how far an unsealing by shares has come.
type Progress struct {
	// Have of the Need shares have been entered.
	Have, Need int
	// Set is the id of the set that they are of.
	Set string
	// Since is when the first of them was entered, zero without any.
	Since time.Time
}

// String returns "1 of 3 shares".
func (p Progress) String() string { return fmt.Sprintf("%d of %d shares", p.Have, p.Need) }

// Unsealing gathers the shares of a seal, one by one, until there are enough.
// The seal may be changed meanwhile: shares of before are forgotten then. All
// methods may be called at the same time.
type Unsealing struct {
	dir string

	mu          sync.Mutex // guards what follows
	description *description
	// entered has the shares by the way that they are of: while a set replaces
	// another, each of them opens the seal.
	entered map[int][]split.Share
	since   time.Time
}

// NewUnsealing returns the gathering of shares for the seal in dir. A seal
// that no shares open is a WrongState error.
func NewUnsealing(dir string) (*Unsealing, error) {
	d, err := readDescription(dir)
	if err != nil {
		return nil, err
	}
	if !d.has(UnderShares) {
		return nil, fault.New(fault.WrongState, "the data directory %s is not sealed by shares", dir)
	}
	return newUnsealing(dir, d), nil
}

func newUnsealing(dir string, d *description) *Unsealing {
	return &Unsealing{dir: dir, description: d, entered: map[int][]split.Share{}}
}

// Add enters a share, as text. A share that is mistyped is an InvalidArgument
// error, one of an older set WrongState, one that was entered already
// AlreadyExists, and any other wrong one Unauthenticated; none of them changes
// the progress.
func (u *Unsealing) Add(text []byte) (Progress, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.refresh(); err != nil {
		return u.progress(), err
	}
	share, i, err := u.judge(text)
	if err != nil {
		return u.progress(), err
	}
	if slices.ContainsFunc(u.entered[i], func(s split.Share) bool { return s.Number() == share.Number() }) {
		share.Clear()
		return u.progress(), fault.New(fault.AlreadyExists, "share %d was entered already", share.Number())
	}
	if len(u.entered) == 0 {
		u.since = time.Now()
	}
	u.entered[i] = append(u.entered[i], *share)
	return u.progress(), nil
}

// Judge returns an error, as Add does, for a text that is no share of the
// seal; it enters nothing.
func (u *Unsealing) Judge(text []byte) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	share, _, err := u.judge(text)
	if err == nil {
		share.Clear()
	}
	return err
}

// refresh reads the seal again, and begins again when it was changed: its old
// shares may no longer be those that are to open it.
func (u *Unsealing) refresh() error {
	d, err := readDescription(u.dir)
	if err != nil {
		return err
	}
	if !d.has(UnderShares) {
		return fault.New(fault.WrongState, "the seal was changed: shares no longer open it")
	}
	if !d.same(u.description) {
		u.forget()
		u.description = d
	}
	return nil
}

// judge returns a share and the way that it is of.
func (u *Unsealing) judge(text []byte) (*split.Share, int, error) {
	share, err := split.Parse(text)
	if err != nil {
		return nil, 0, err
	}
	var wrong error
	for i := range u.description.Ways {
		w := &u.description.Ways[i]
		if w.Method != UnderShares {
			continue
		}
		err := w.Shares.Check(u.description.Installation, share)
		if err == nil {
			return share, i, nil
		}
		if wrong == nil || w.Shares.ID == share.Set() {
			wrong = err
		}
	}
	share.Clear()
	return nil, 0, wrong
}

// Progress returns how far the unsealing has come.
func (u *Unsealing) Progress() Progress {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.progress()
}

func (u *Unsealing) progress() Progress {
	best := Progress{Need: split.MaxShares + 1}
	for i := range u.description.Ways {
		w := &u.description.Ways[i]
		if w.Method != UnderShares {
			continue
		}
		p := Progress{len(u.entered[i]), w.Shares.Threshold, w.Shares.ID, u.since}
		if p.Need-p.Have < best.Need-best.Have {
			best = p
		}
	}
	return best
}

// Entered returns the numbers of the shares that were entered, in order.
func (u *Unsealing) Entered() []int {
	u.mu.Lock()
	defer u.mu.Unlock()
	var numbers []int
	for _, shares := range u.entered {
		for i := range shares {
			numbers = append(numbers, shares[i].Number())
		}
	}
	slices.Sort(numbers)
	return numbers
}

// Reset forgets the shares that were entered.
func (u *Unsealing) Reset() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget()
}

func (u *Unsealing) forget() {
	for _, shares := range u.entered {
		clearShares(shares)
	}
	u.entered, u.since = map[int][]split.Share{}, time.Time{}
}

// Open opens the seal with the shares that were entered. Too few are a
// WrongState error. The shares stay until Reset.
func (u *Unsealing) Open() (*Opened, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.description.Ways {
		w := &u.description.Ways[i]
		if w.Method != UnderShares || len(u.entered[i]) < w.Shares.Threshold {
			continue
		}
		secret, err := w.Shares.Key(u.description.Installation, u.entered[i])
		if err != nil {
			return nil, err
		}
		defer clear(secret)
		b, err := newBox(secret)
		if err != nil {
			return nil, err
		}
		keys, err := w.get(b, u.description.Installation)
		if err != nil {
			return nil, err
		}
		return opened(u.dir, u.description, i, b, keys)
	}
	return nil, fault.New(fault.WrongState, "still sealed: %s", u.progress())
}
