package embedded

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/store/storetest"
)

// sameAsMem runs a program on this store and on the one in memory.
func sameAsMem(t *testing.T, program []byte) {
	t.Helper()
	s, m := openAt(t, filepath.Join(t.TempDir(), "store.db")), mem.New()
	storetest.Same(t, program, m, s)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func randomProgram(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0)) // repeatable on purpose
	program := make([]byte, n)
	for i := range program {
		program[i] = byte(random.Uint32())
	}
	return program
}

func TestSameAsMem(t *testing.T) {
	for seed := range uint64(20) {
		sameAsMem(t, randomProgram(seed, 3000))
	}
}

func FuzzSameAsMem(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("insert and read some rows, then take them back"))
	for seed := range uint64(5) {
		f.Add(randomProgram(100+seed, 200))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4096 {
			program = program[:4096]
		}
		sameAsMem(t, program)
	})
}
