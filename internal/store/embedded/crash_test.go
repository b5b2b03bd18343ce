package embedded

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The crash test runs a child process whose workers write transactions and
// report each that Update has acknowledged on a pipe. The parent kills it with
// SIGKILL at a random moment, opens the store, and compares it with the
// reports: everything acknowledged is there, and nothing is there in part.
//
// A kill proves what the process owes. What the machine owes at a loss of power
// (synchronous=FULL, the order of syncs) is SQLite's own and is not tested here.
const (
	crashPath    = "HOLDFAST_CRASH_CHILD"  // tells the child the store's path
	crashRounds  = "HOLDFAST_CRASH_ROUNDS" // how many kills, however long they take
	defaultKills = 300                     // as many of these as defaultTime allows,
	defaultTime  = 25 * time.Second        // but at least leastKills
	leastKills   = 20

	crashWorkers  = 8
	crashAccounts = 6
	crashAmount   = 1000 // in each account at first
	crashKept     = 5    // so many of a worker's transactions keep their rows
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		err := crashChild(path)
		fmt.Fprintln(os.Stderr, "the child ended by itself:", err)
		return
	}
	m.Run()
}

// crashChild writes until it is killed.
func crashChild(path string) error {
	s, err := Open(path, Options{CheckpointPages: 64}) // kills should hit checkpoints as well
	if err != nil {
		return err
	}
	start := make([]int, crashWorkers)
	if err := s.View(context.Background(), func(r store.Reader) error {
		for w := range start {
			if start[w], err = lastOf(r, w); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	failed := make(chan error)
	var report sync.Mutex
	for w := range crashWorkers {
		go func() {
			for n := start[w] + 1; ; n++ {
				if n%7 == 0 { // a transaction that must leave nothing
					gone := s.Update(context.Background(), func(tx store.Tx) error { return writeGhost(tx, w, n) })
					if !errors.Is(gone, errGhost) {
						failed <- fmt.Errorf("a transaction that fails: %w", gone)
					}
				}
				if err := s.Update(context.Background(), func(tx store.Tx) error { return writeStep(tx, w, n) }); err != nil {
					failed <- err
				}
				report.Lock()
				fmt.Printf("%d %d\n", w, n) //nolint:forbidigo // the pipe to the parent
				report.Unlock()
			}
		}()
	}
	return <-failed
}

// crashRow returns the row that transaction n of worker w writes into a
// table: of any size up to some pages, and the same whenever it is asked for.
func crashRow(table *store.Table, w, n int) store.Row {
	id := fmt.Sprintf("%d/%06d", w, n)
	sum := sha256.Sum256([]byte(table.Name + id))
	size := int(binary.BigEndian.Uint16(sum[:])) % 3000
	if sum[2] < 8 {
		size *= 10
	}
	row := store.Row{ID: id, Body: bytes.Repeat(sum[:], 1+size/len(sum))}
	for i := range table.Columns {
		row.Columns = append(row.Columns, fmt.Sprint(sum[3+i]))
	}
	return row
}

// crashTables are the tables that each transaction writes into.
func crashTables() []*store.Table {
	return []*store.Table{store.Keys, store.Materials, store.Certificates}
}

func counterID(w int) string { return fmt.Sprintf("worker/%d", w) }
func accountID(a int) string { return fmt.Sprintf("account/%d", a) }

// writeStep is transaction n of worker w: a row in each of the tables, the
// removal of older ones, the worker's counter, and a transfer between two
// accounts that all workers share.
func writeStep(tx store.Tx, w, n int) error {
	for _, table := range crashTables() {
		if err := tx.Insert(table, crashRow(table, w, n)); err != nil {
			return err
		}
		if n > crashKept {
			if err := tx.Delete(table, crashRow(table, w, n-crashKept).ID); err != nil {
				return err
			}
		}
	}
	for i, sign := range []int{-1, 1} {
		id := accountID((w*n + i*(1+n%(crashAccounts-1))) % crashAccounts) // two that differ
		balance, err := number(tx, id, crashAmount)
		if err != nil {
			return err
		}
		if err := tx.Put(store.Settings, store.Row{ID: id, Body: []byte(strconv.Itoa(balance + sign*(1+n%50)))}); err != nil {
			return err
		}
	}
	return tx.Put(store.Settings, store.Row{ID: counterID(w), Body: []byte(strconv.Itoa(n))})
}

var errGhost = errors.New("taken back")

// writeGhost writes what must never be seen.
func writeGhost(tx store.Tx, w, n int) error {
	for _, table := range crashTables() {
		row := crashRow(table, w, n)
		row.ID = "ghost/" + row.ID
		if err := tx.Insert(table, row); err != nil {
			return err
		}
	}
	return errors.Join(errGhost, tx.Put(store.Settings, store.Row{ID: accountID(0), Body: []byte("0")}))
}

// number returns the number in a row of the settings.
func number(r store.Reader, id string, otherwise int) (int, error) {
	row, err := r.Get(store.Settings, id)
	if fault.KindOf(err) == fault.NotFound {
		return otherwise, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(row.Body))
}

func lastOf(r store.Reader, w int) (int, error) { return number(r, counterID(w), 0) }

func TestCrash(t *testing.T) {
	kills, end := defaultKills, time.Now().Add(defaultTime)
	if text := os.Getenv(crashRounds); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s=%q is not a number of kills", crashRounds, text)
		}
		kills, end = n, time.Now().AddDate(1, 0, 0)
	} else if testing.Short() {
		kills = leastKills
	}
	path := filepath.Join(t.TempDir(), "store.db")
	acknowledged := make([]int, crashWorkers)
	verified := 0
	for kill := range kills {
		if kill >= leastKills && time.Now().After(end) {
			kills = kill
			break
		}
		killChild(t, path, acknowledged)
		// Some children find what a killed one left behind, log and all; the
		// others what this process has recovered and closed.
		if kill%3 == 1 {
			continue
		}
		verifyCrash(t, path, acknowledged)
		verified++
		if t.Failed() {
			t.Fatalf("after %d kills", kill+1)
		}
	}
	verifyCrash(t, path, acknowledged)
	total := 0
	for _, n := range acknowledged {
		total += n
	}
	if total < kills {
		t.Fatalf("only %d transactions in %d kills: the test tests nothing", total, kills)
	}
	t.Logf("%d kills, %d acknowledged transactions, verified %d times", kills, total, verified)
}

// killChild runs a child on the store, kills it, and notes what it has
// acknowledged.
func killChild(t *testing.T, path string, acknowledged []int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	// One in eight is killed while it starts, the others after a first
	// acknowledgement and up to 60 ms of work.
	if rand.IntN(8) == 0 {
		time.Sleep(rand.N(40 * time.Millisecond))
	} else {
		noteLine(t, lines, acknowledged)
		killed := time.AfterFunc(rand.N(60*time.Millisecond), func() { _ = cmd.Process.Kill() }) // Kill below tells
		defer killed.Stop()
		for noteLine(t, lines, acknowledged) {
		}
	}
	_ = cmd.Process.Kill() // most have been killed above
	for noteLine(t, lines, acknowledged) {
	}
	if err := cmd.Wait(); stderr.Len() > 0 || !strings.Contains(fmt.Sprint(err), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, stderr.String())
	}
}

// noteLine reads one acknowledgement, and reports whether there was one.
func noteLine(t *testing.T, lines *bufio.Reader, acknowledged []int) bool {
	t.Helper()
	line, err := lines.ReadString('\n')
	if err != nil { // a line cut short is no acknowledgement
		if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) {
			t.Fatal(err)
		}
		return false
	}
	var w, n int
	if _, err := fmt.Sscanf(line, "%d %d\n", &w, &n); err != nil {
		t.Fatalf("the child wrote %q: %v", line, err)
	}
	// A killed child may have committed without a report: then the next one
	// starts behind that.
	if n <= acknowledged[w] {
		t.Fatalf("worker %d acknowledged %d after %d: a transaction was lost", w, n, acknowledged[w])
	}
	acknowledged[w] = n
	return true
}

// verifyCrash compares the store with what was acknowledged.
func verifyCrash(t *testing.T, path string, acknowledged []int) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.View(t.Context(), func(r store.Reader) error {
		rows := 0
		for w, least := range acknowledged {
			last, err := lastOf(r, w)
			if err != nil {
				return err
			}
			if last < least {
				t.Errorf("worker %d: transaction %d was acknowledged, the store has %d", w, least, last)
			}
			for n := max(1, last-crashKept+1); n <= last; n++ {
				rows++
				if err := verifyStep(t, r, w, n); err != nil {
					return err
				}
			}
		}
		return verifyTotals(t, r, rows)
	}); err != nil {
		t.Error(err)
	}
}

// verifyStep checks the rows of one transaction.
func verifyStep(t *testing.T, r store.Reader, w, n int) error {
	t.Helper()
	for _, table := range crashTables() {
		want := crashRow(table, w, n)
		got, err := r.Get(table, want.ID)
		if err != nil {
			return fmt.Errorf("row %s of %s: %w", want.ID, table.Name, err)
		}
		if !bytes.Equal(got.Body, want.Body) || fmt.Sprint(got.Columns) != fmt.Sprint(want.Columns) {
			t.Errorf("row %s of %s is not what was written", want.ID, table.Name)
		}
	}
	return nil
}

// verifyTotals checks that there is nothing else, by the tables and by each
// of their indexes, and that no transfer was halved.
func verifyTotals(t *testing.T, r store.Reader, rows int) error {
	t.Helper()
	for _, table := range crashTables() {
		for _, column := range append([]string{""}, table.Columns...) {
			n, err := r.Count(table, store.Query{Column: column})
			if err != nil {
				return err
			}
			if n != rows {
				t.Errorf("%s has %d rows by %q, want %d: a transaction is there in part", table.Name, n, column, rows)
			}
		}
	}
	sum := 0
	for a := range crashAccounts {
		balance, err := number(r, accountID(a), crashAmount)
		if err != nil {
			return err
		}
		sum += balance
	}
	if sum != crashAccounts*crashAmount {
		t.Errorf("the accounts hold %d, want %d: a transfer is there in part", sum, crashAccounts*crashAmount)
	}
	return nil
}
