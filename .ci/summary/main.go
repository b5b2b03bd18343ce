// Summary reads the output of "go test -json" and says what happened: the
// output of what failed, the reason of every skip, and the numbers.
//
//	go test -json ./... | go run ./.ci/summary -skips test/skips.txt -totals file
//
// It adds its numbers to the file of totals, one "passed failed skipped" a
// line. A skip that the list does not allow counts as failed, as does a run in
// which no test ran at all: both are how a suite rots unseen.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
}

// event is a line of test2json (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64 // seconds
}

// tally is what one run came to.
type tally struct {
	passed, failed, skipped int
	// broken are the packages in which a test has failed.
	broken map[string]bool
	// slow are the packages with their seconds.
	slow []event
	// output collects each test's lines until its end.
	output map[string][]string
	// allowed are the patterns of test/skips.txt.
	allowed []string
	out     io.Writer
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("summary", flag.ContinueOnError)
	skips := flags.String("skips", "", "file with the skips that are allowed")
	totals := flags.String("totals", "", "file to add the numbers to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	t := &tally{output: map[string][]string{}, broken: map[string]bool{}, out: out}
	if err := t.allow(*skips); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // not JSON: the go command itself speaks
			continue
		}
		t.add(e)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return t.finish(*totals)
}

// allow reads the list: "package/Test" patterns as of path.Match, with "#"
// before a reason.
func (t *tally) allow(file string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		pattern, _, _ := strings.Cut(line, "#")
		if pattern = strings.TrimSpace(pattern); pattern != "" {
			t.allowed = append(t.allowed, pattern)
		}
	}
	return nil
}

// add takes in one event.
func (t *tally) add(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(t.out, e.Output)
	case "output":
		t.output[name] = append(t.output[name], e.Output)
	case "pass":
		t.end(e, name, &t.passed)
	case "fail":
		t.end(e, name, &t.failed)
	case "skip":
		t.skip(e, name)
	}
}

// end counts a test or package that has ended.
func (t *tally) end(e event, name string, count *int) {
	defer delete(t.output, name)
	if e.Test != "" {
		*count++
	}
	if e.Action == "fail" {
		if e.Test == "" && !t.broken[e.Package] {
			*count++ // it did not build, or died: there is no failed test to count
		}
		t.broken[e.Package] = true
		fmt.Fprintf(t.out, "--- failed: %s\n%s", name, strings.Join(t.output[name], ""))
	}
	if e.Test == "" {
		t.slow = append(t.slow, e)
		for _, line := range t.output[name] {
			if strings.HasPrefix(line, "compat/") || strings.HasPrefix(line, "crash:") {
				fmt.Fprint(t.out, line) // what the clients' tests say of themselves
			}
		}
	}
}

// skip counts a skipped test; a package without tests is none.
func (t *tally) skip(e event, name string) {
	defer delete(t.output, name)
	if e.Test == "" {
		return
	}
	var reason []string
	for _, line := range t.output[name] {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			reason = append(reason, line)
		}
	}
	full := strings.TrimPrefix(e.Package, "github.com/holdfast-kms/holdfast/") + "/" + e.Test
	if !slices.ContainsFunc(t.allowed, func(p string) bool { ok, _ := path.Match(p, full); return ok }) {
		t.failed++
		fmt.Fprintf(t.out, "--- skipped, and not in test/skips.txt: %s: %s\n", full, strings.Join(reason, " "))
		return
	}
	t.skipped++
	fmt.Fprintf(t.out, "skipped: %s: %s\n", full, strings.Join(reason, " "))
}

// finish prints the numbers and adds them to the file.
func (t *tally) finish(totals string) error {
	if t.passed+t.failed == 0 {
		fmt.Fprintln(t.out, "--- no test ran")
		t.failed++
	}
	slices.SortFunc(t.slow, func(a, b event) int { return int(1000 * (b.Elapsed - a.Elapsed)) })
	for _, e := range t.slow[:min(3, len(t.slow))] {
		fmt.Fprintf(t.out, "%6.1f s  %s\n", e.Elapsed, e.Package)
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	if totals != "" {
		if err := t.record(totals); err != nil {
			return err
		}
	}
	if t.failed > 0 {
		return fmt.Errorf("%d failed", t.failed)
	}
	return nil
}

// record appends the numbers to the file of totals.
func (t *tally) record(totals string) error {
	f, err := os.OpenFile(totals, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, t.passed, t.failed, t.skipped); err != nil {
		return err
	}
	return f.Close()
}
