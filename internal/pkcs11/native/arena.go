//go:build linux && (amd64 || arm64) && !static

package native

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"unsafe"
)

// arena is memory for the arguments and results of one call. It is not Go's:
// it does not move, the collector does not look at it, and structures in it may
// point to one another, so nothing has to be pinned. It is kept out of swap
// where the system allows it, out of core files, and cleared after each call.
type arena struct {
	base []byte
	used int
	more [][]byte // what did not fit in base, each mapped by itself
}

const (
	arenaSize = 64 << 10
	madvDump  = 16 // MADV_DONTDUMP
)

func newArena() (*arena, error) {
	b, err := mapped(arenaSize)
	return &arena{base: b}, err
}

func mapped(size int) ([]byte, error) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("mapping memory for a PKCS #11 call: %w", err)
	}
	// Both are best effort: the limit of locked memory may be low.
	_ = syscall.Mlock(b)
	_ = syscall.Madvise(b, madvDump)
	return b, nil
}

// take returns n bytes of zeros, at an address that is a multiple of 8. It is
// never empty: libraries refuse the address of nothing.
func (a *arena) take(n int) []byte {
	size := (max(n, 1) + 7) &^ 7
	if size > len(a.base)-a.used {
		b, err := mapped(size)
		if err != nil {
			panic(err) // as Go does when there is no more memory
		}
		a.more = append(a.more, b)
		return b[:n:size]
	}
	b := a.base[a.used : a.used+n : a.used+size]
	a.used += size
	return b
}

// bytes returns a copy of b.
func (a *arena) bytes(b []byte) []byte {
	to := a.take(len(b))
	copy(to, b)
	return to
}

// number returns a CK_ULONG.
func (a *arena) number(v uint64) []byte { return a.numbers(v) }

// numbers returns CK_ULONGs and addresses, which have the same size here.
func (a *arena) numbers(v ...uint64) []byte {
	b := a.take(8 * len(v))
	for i, n := range v {
		binary.NativeEndian.PutUint64(b[8*i:], n)
	}
	return b
}

// clear overwrites what was used and gives back what was mapped for this call.
func (a *arena) clear() {
	clear(a.base[:a.used])
	a.used = 0
	for _, b := range a.more {
		clear(b)
		_ = syscall.Munmap(b[:cap(b)]) // it cannot fail for a mapping of ours
	}
	a.more = nil
}

func (a *arena) free() {
	a.clear()
	_ = syscall.Munmap(a.base) // it cannot fail for a mapping of ours
	a.base = nil
}

// address returns the address of an arena's bytes; also that of none of them.
func address(b []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b))) //nolint:gosec // C's interface takes addresses; not Go's memory
}

// number reads a CK_ULONG.
func number(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
