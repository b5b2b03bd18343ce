//go:build linux

package worker

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// maxCalls is how many calls one process has at a time.
const maxCalls = 128

// memory is what a process shares with its parent: a head, and places for
// calls. Words that both ends use at the same time are in lines of the cache of
// their own:
//
//	0     done     two sets of 64: places with answers that the parent has not taken
//	64    ring     the parent sleeps on it (futex(2)); it only grows
//	128   dozing   1: the parent sleeps on ring, or is about to
//	192   hiring   how many places have been used; each gets a thread
//	4096  places   maxCalls of them
//
// The parent trusts nothing in here. It waits for the one value of a place's
// state that comes next, bounds the length, and parses a copy of the message;
// all else that a process gone wild can do with it is to make calls hang.
type memory struct {
	all          []byte
	done         answers
	ring, dozing *atomic.Uint32
	hiring       *atomic.Uint32
	places       [maxCalls]place
}

// A place has a question, then its answer, in the same bytes:
//
//	0     state    4 × the call's number, plus asked, watched or answered;
//	               the worker's thread sleeps on it
//	64    asleep   1: the thread sleeps, or is about to
//	128   length   of the message
//	132   kind     of the message
//	4096  message  at most pkcs11.MaxMessage bytes
type place struct {
	state, asleep, length, kind *atomic.Uint32

	message []byte
}

// The lower two bits of a place's state.
const (
	asked    = 1 // the parent's call sleeps: its answer is to be noted in done
	watched  = 2 // the parent's call looks at the state
	answered = 3

	stateBits = 3
	oneCall   = 4 // from one call's number to the next one's
)

const (
	placesAt   = 4096
	messageAt  = 4096
	placeSize  = messageAt + pkcs11.MaxMessage
	memorySize = placesAt + maxCalls*placeSize
	// keptSize is how much of a message's memory is kept for the next one.
	keptSize = 64 << 10
)

// newMemory makes shared memory; the descriptor is for the process. Only what
// is written takes memory. Its size is sealed: an end that could make it
// smaller could make the other one fault.
func newMemory() (m *memory, fd int, err error) {
	fd, err = unix.MemfdCreate("pkcs11-calls", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, -1, fmt.Errorf("making memory to share with a PKCS #11 module: %w", err)
	}
	if err = unix.Ftruncate(fd, memorySize); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err == nil {
		m, err = mapMemory(fd)
	}
	if err != nil {
		_ = unix.Close(fd) // nothing is in it
		return nil, -1, fmt.Errorf("making memory to share with a PKCS #11 module: %w", err)
	}
	return m, fd, nil
}

func mapMemory(fd int) (*memory, error) {
	b, err := unix.Mmap(fd, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping memory: %w", err)
	}
	_ = unix.Madvise(b, unix.MADV_DONTDUMP)                           // best effort: there are no core files of the worker in any case
	at := func(i int) unsafe.Pointer { return unsafe.Pointer(&b[i]) } //nolint:gosec // mapped until unmap, and not Go's
	word := func(i int) *atomic.Uint32 { return (*atomic.Uint32)(at(i)) }
	m := &memory{
		all: b, ring: word(64), dozing: word(128), hiring: word(192),
		done: answers{(*atomic.Uint64)(at(0)), (*atomic.Uint64)(at(8))},
	}
	for i := range m.places {
		from := placesAt + i*placeSize
		m.places[i] = place{
			word(from), word(from + 64), word(from + 128), word(from + 132),
			b[from+messageAt : from+placeSize : from+placeSize],
		}
	}
	return m, nil
}

func (m *memory) unmap() { _ = unix.Munmap(m.all) } // it cannot fail for a mapping of ours

// put notes the message that was appended to room.
func (p *place) put(b []byte, k kind) {
	p.length.Store(uint32(len(b))) //nolint:gosec // at most MaxMessage
	p.kind.Store(uint32(k))
}

// room returns where a message is written: no bytes, with the capacity for the
// largest.
func (p *place) room() []byte { return p.message[:0] }

// get returns what the other end has put.
func (p *place) get() ([]byte, kind, error) {
	n := p.length.Load()
	if n > pkcs11.MaxMessage {
		return nil, 0, errMessage
	}
	return p.message[:n:n], kind(p.kind.Load()), nil
}

// erase overwrites a message and gives back the memory of a large one.
func (p *place) erase(b []byte) {
	clear(b)
	if len(b) > keptSize {
		_ = unix.Madvise(p.message[keptSize:], unix.MADV_REMOVE) // it only takes memory
	}
}

var errMessage = errors.New("worker: a malformed message")

// ask gives the message to the worker, as how says: asked or watched.
func (p *place) ask(number, how uint32) {
	p.state.Store(number | how)
	if p.asleep.Load() != 0 {
		wake(p.state)
	}
}

// asked reports whether a call of that number waits for the worker.
func (p *place) asked(number uint32) bool {
	s := p.state.Load()
	return s == number|asked || s == number|watched
}

// answer gives the message of a place back to the parent.
func (m *memory) answer(i int, number uint32) {
	if m.places[i].state.Swap(number|answered)&stateBits != asked {
		return // the parent sees it
	}
	m.done.add(i)
	if m.dozing.CompareAndSwap(1, 0) {
		m.ring.Add(1)
		wake(m.ring)
	}
}

// answers is a set of places, by their numbers, that both ends change.
type answers [2]*atomic.Uint64

func (a answers) add(i int) { a[i/64].Or(1 << (i % 64)) }

func (a answers) empty() bool { return a[0].Load() == 0 && a[1].Load() == 0 }

// take empties the set and calls f with each that was in it.
func (a answers) take(f func(i int)) {
	for w := range a {
		for all := a[w].Swap(0); all != 0; all &= all - 1 {
			f(64*w + bits.TrailingZeros64(all))
		}
	}
}

// look reports whether something comes within a time. It looks all the time, at
// first more often than later, but lets whatever else can run come first.
func look(come func() bool, most time.Duration) bool {
	const often, seldom = 2, 8
	between := uint32(often)
	for start := time.Now(); ; {
		for range 16 {
			if come() {
				return true
			}
			pause(between)
		}
		waited := time.Since(start)
		if waited > most {
			return false
		}
		if waited > alert {
			between = seldom
		}
		runtime.Gosched()
	}
}

// sleep sleeps until a word is not old any more. It may return before.
func sleep(word *atomic.Uint32, old uint32) {
	const futexWait = 0
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(old), 0, 0, 0) //nolint:gosec // the system takes addresses
}

// wake wakes one who sleeps on a word.
func wake(word *atomic.Uint32) {
	const futexWake = 1
	_, _, _ = unix.Syscall(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, 1) //nolint:gosec // the system takes addresses
}
