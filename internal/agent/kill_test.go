package agent

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// victimVariable, when it is set, makes this program an agent that deploys
// without end in the working directory, to be killed.
const victimVariable = "HOLDFAST_AGENT_VICTIM"

// kills is how often it is killed.
const kills = 25

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		victim(must(os.Getwd()))
	}
	os.Exit(m.Run()) //nolint:forbidigo // this is how a TestMain ends
}

// everywhere is one set of files in a directory of its own and outside.
const everywhere = `server: {url: https://localhost:1}
host: host-1
state: DIR/state
retry: {first: 1ms, most: 1ms}
certificates:
  - name: web
    request: {authority: a, profile: p, names: [web.example.com]}
    dir: DIR/web
    files:
      - {path: cert.pem}
      - {path: key.pem, content: key}
      - {path: DIR/cert.pem}
      - {path: DIR/key.pem, content: key}
`

// victim deploys certificates until it is killed: each one is revoked at once.
func victim(dir string) {
	a, s := openVictim(dir)
	s.always = true
	_, _ = fmt.Fprintln(os.Stdout, "deploying") // a parent that is gone needs nothing
	for {
		if err := a.Once(context.Background()); err != nil {
			_, _ = fmt.Fprintln(os.Stdout, err) // as above
			os.Exit(1)                          //nolint:forbidigo // the parent looks at the status
		}
	}
}

func openVictim(dir string) (*Agent, *source) {
	s := newSource(time.Now)
	c := must(Parse([]byte(strings.ReplaceAll(everywhere, "DIR", dir))))
	return must(Open(context.Background(), c, Options{Source: s, Log: slog.New(slog.DiscardHandler)})), s
}

// TestKilled kills an agent again and again while it deploys. In a directory
// of its own, certificate and key match at every moment; of the whole set,
// they do once the next agent has started, before it asks the server anything.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	hits := 0
	for n := range kills {
		run(t, dir, n%4 != 0)
		inside, err := serialOf(dir+"/web/current/cert.pem", dir+"/web/current/key.pem")
		if err != nil {
			t.Fatalf("after %d kills: %v", n+1, err)
		}
		if _, err := os.Stat(dir + "/state/web/journal.json"); err == nil {
			hits++
		}
		a, s := openVictim(dir)
		if s.issues != 0 {
			t.Error("the start asked the server")
		}
		outside, err := serialOf(dir+"/cert.pem", dir+"/key.pem")
		if err != nil {
			t.Fatalf("after %d kills and a start: %v", n+1, err)
		}
		if again, err := serialOf(dir+"/web/current/cert.pem", dir+"/web/current/key.pem"); err != nil || again != outside {
			t.Fatalf("after %d kills and a start, the directory has %s (%s before, %v), outside is %s", n+1, again, inside, err, outside)
		}
		if err := a.Once(t.Context()); err != nil {
			t.Fatalf("after %d kills: %v", n+1, err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if t.Logf("%d of %d kills were in the middle of a change", hits, kills); hits < 5 {
		t.Error("too few to tell anything")
	}
}

// run starts a victim and kills it a while after its first deployment, or in
// the middle of one.
func run(t *testing.T, dir string, within bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:noctx // this program, which is killed below
	cmd.Env, cmd.Dir = append(os.Environ(), victimVariable+"=1"), dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "deploying" {
		t.Errorf("the agent says %q", lines.Text())
	}
	for { // the first pair is what all later ones are compared with
		if _, err := os.Stat(dir + "/key.pem"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(rand.N(20 * time.Millisecond))
	for end := time.Now().Add(time.Second); within && time.Now().Before(end); {
		if _, err := os.Stat(dir + "/state/web/journal.json"); err == nil {
			break
		}
	}
	_ = cmd.Process.Kill() // Wait tells
	for lines.Scan() {
		t.Errorf("the agent says %q", lines.Text())
	}
	_ = cmd.Wait() // it was killed
}
