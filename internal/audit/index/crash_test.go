package index

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// indexVariable names the log that a child of the tests indexes, again and
// again, until it is killed.
const indexVariable = "HOLDFAST_INDEX_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv(indexVariable)
	if dir == "" {
		m.Run()
		return
	}
	for {
		x, err := Open(Config{Log: audit.Files(dir), Dir: filepath.Join(dir, "index"), Facets: facets, Version: time.Now().String()})
		for more := err == nil; more && err == nil; {
			more, err = x.Tick(context.Background())
		}
		if err != nil {
			panic(err)
		}
	}
}

// TestKilled: an index whose writer is killed at any time has the answers of
// the log.
func TestKilled(t *testing.T) {
	r, dir := rand.New(rand.NewPCG(9, 9)), t.TempDir()
	l := openLog(t, dir, audit.MinSegmentSize)
	fill(t, l, 900, func(i int) *audit.Entry { return random(r, i) })
	for range 4 {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), indexVariable+"="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(time.Duration(20+r.IntN(150)) * time.Millisecond):
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err == nil || c.ProcessState.Exited() {
			t.Fatalf("the child ended by itself: %v", err)
		}
		x := mustOpen(t, Config{Log: l, Dir: filepath.Join(dir, "index"), Facets: facets, Version: "1"})
		for range 5 {
			same(t, r, x, l, randomFilter(r, 900))
		}
	}
}
