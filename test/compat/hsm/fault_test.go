package hsm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

const (
	// patience is the longest that any call may take: the token's own deadline
	// is 2 s, and a lost process or session may be replaced once within a call.
	patience = 15 * time.Second
	// recovery is how soon a token that is back must serve again.
	recovery = 40 * time.Second
	// callers sign at the same time.
	callers = 8
)

// signer signs with one P-256 key and checks what comes back.
type signer struct {
	*world

	id     string
	public *ecdsa.PublicKey
}

func newSigner(t *testing.T, w *world) *signer {
	t.Helper()
	s := &signer{world: w, id: w.made(t, "key", "create", "--hsm", label, "--spec", "ECC_NIST_P256", "--usage", "SIGN_VERIFY")}
	out, err := w.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &s.id})
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s.public = public.(*ecdsa.PublicKey)
	// As many connections and sessions are open now as the tests need.
	if refused := s.work(t, 100, func(int) {}); refused != 0 {
		t.Fatalf("%d of 100 signatures are refused", refused)
	}
	return s
}

// sign makes one signature and holds that it is right, or that the refusal is
// a clear one that came in time.
func (s *signer) sign(t *testing.T) error {
	t.Helper()
	began := time.Now()
	digest := sha256.Sum256(judge.Message)
	out, err := s.Sign(t.Context(), &kms.SignInput{KeyId: &s.id, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if took := time.Since(began); took > patience {
		t.Errorf("an answer took %s", took)
	}
	if err == nil {
		if !ecdsa.VerifyASN1(s.public, digest[:], out.Signature) {
			t.Error("a signature is wrong")
		}
		return nil
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != "DependencyTimeoutException" && api.ErrorCode() != "KMSInvalidStateException" {
		t.Errorf("a refusal is unclear: %v", err)
	} else if !strings.Contains(api.ErrorMessage(), label) {
		t.Errorf("a refusal does not name the token: %q", api.ErrorMessage())
	}
	return err
}

// work signs n times by several callers at once and returns how many
// signatures were refused. Done is called after each attempt.
func (s *signer) work(t *testing.T, n int, done func(count int)) (refused int) {
	t.Helper()
	var mu sync.Mutex // guards count and refused
	count := 0
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for {
				mu.Lock()
				if count >= n {
					mu.Unlock()
					return
				}
				count++
				mine := count
				mu.Unlock()
				err := s.sign(t)
				if err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
				done(mine)
			}
		})
	}
	wg.Wait()
	return refused
}

// recovers waits until signatures are made again, without a restart.
func (s *signer) recovers(t *testing.T) {
	t.Helper()
	began := time.Now()
	for s.sign(t) != nil {
		if time.Since(began) > recovery {
			t.Fatalf("no signature %s after the fault was over; the server's log:\n%s", recovery, s.server.Log())
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("recovered after %s", time.Since(began).Round(time.Millisecond))
	if refused := s.work(t, 100, func(int) {}); refused != 0 {
		t.Errorf("%d of 100 signatures after the recovery are refused", refused)
	}
}

// use is what the server uses of the machine: its workers, and what it has
// open by kind. Files of its data directory come and go with its log.
type use struct{ workers, pipes, kernel, sockets int }

func (w *world) used(t *testing.T) use {
	t.Helper()
	files, err := compat.OpenFiles(w.server.PID())
	if err != nil {
		t.Fatal(err)
	}
	u := use{workers: len(w.workers(t))}
	for _, file := range files {
		switch kind, _, _ := strings.Cut(file, ":"); kind {
		case "pipe":
			u.pipes++
		case "anon_inode": // handles of processes, among others
			u.kernel++
		case "socket":
			u.sockets++
		}
	}
	return u
}

// unleaked holds that the server uses no more than before a fault, once it has
// cleared up: as many workers, none of them a zombie, and as many descriptors.
// To its workers it has a connection for each caller that there was at once.
func (w *world) unleaked(t *testing.T, before use) {
	t.Helper()
	most := before
	most.sockets += callers
	var now use
	for range 100 {
		now = w.used(t)
		if now.workers == most.workers && now.pipes <= most.pipes && now.kernel <= most.kernel && now.sockets <= most.sockets {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if now.workers != most.workers || now.pipes > most.pipes || now.kernel > most.kernel || now.sockets > most.sockets {
		t.Errorf("before the fault %+v, after it %+v", before, now)
	}
	for _, pid := range w.workers(t) {
		if !alive(pid) {
			t.Errorf("the worker %d is a zombie", pid)
		}
	}
}

// once runs f the first time that it is called.
func once(f func()) func() {
	var o sync.Once
	return func() { o.Do(f) }
}

// TestTokenGone takes the token away in the middle of 1,000 signatures and
// brings it back: signatures are right or refused, and it goes on.
func TestTokenGone(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	before := s.used(t)
	away := s.Tokens + ".away"
	gone := once(func() {
		if err := os.Rename(s.Tokens, away); err != nil {
			t.Error(err)
		}
		// A library that has read the token may go on: its process ends, too.
		for _, pid := range s.workers(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
		}
	})
	refused := s.work(t, 1000, func(count int) {
		if count >= 400 {
			gone()
		}
	})
	if refused == 0 {
		t.Error("no signature was refused without a token: the test tests nothing")
	}
	t.Logf("%d of 1,000 signatures were refused", refused)
	if err := s.sign(t); err == nil {
		t.Error("a signature was made without a token")
	}
	s.ready(t, "ok", false) // in service, and not well
	if err := os.Rename(away, s.Tokens); err != nil {
		t.Fatal(err)
	}
	s.recovers(t)
	s.ready(t, "ok", true)
	s.unleaked(t, before)
	s.stop(t)
}

// TestDirectoryGone takes the files of the token away below a library that has
// read them: whatever it makes of that, no signature is wrong, no refusal is
// unclear, and all is well when they are back.
func TestDirectoryGone(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	before := s.used(t)
	away := s.Tokens + ".away"
	gone := once(func() {
		if err := os.Rename(s.Tokens, away); err != nil {
			t.Error(err)
		}
	})
	refused := s.work(t, 1000, func(count int) {
		if count >= 400 {
			gone()
		}
	})
	t.Logf("%d of 1,000 signatures were refused", refused)
	if err := os.Rename(away, s.Tokens); err != nil {
		t.Fatal(err)
	}
	s.recovers(t)
	s.unleaked(t, before)
	s.stop(t)
}

// ready holds that the server is in service, and what it says of its token.
func (w *world) ready(t *testing.T, state string, want bool) {
	t.Helper()
	over, err := compat.Trusting(compat.Lookup(w.server.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+"/readyz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := over.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^.*` + label + `.*$`).Find(text)
	if answer.StatusCode != http.StatusOK || line == nil || bytes.HasSuffix(line, []byte(state)) != want {
		t.Errorf("/readyz: %d %q", answer.StatusCode, text)
	}
}

// TestPINChanged changes the token's PIN below the server. It must not try the
// old one until the token locks itself, and it reads the file with the PIN
// again.
func TestPINChanged(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	before := s.used(t)
	const other = "another-pin-77f1"
	if _, err := s.Tool(t.Context(), label, "--change-pin", "--new-pin", other); err != nil {
		t.Fatal(err)
	}
	for _, pid := range s.workers(t) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	refused := 0
	for range 20 {
		if s.sign(t) != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("signatures are made with a PIN that is wrong")
	}
	slots, err := s.Run(t.Context(), "pkcs11-tool", "--module", s.Module, "--list-slots")
	if err != nil || strings.Contains(slots, "locked") {
		t.Errorf("the token is locked: %v\n%s", err, slots)
	}
	log, err := os.ReadFile(s.server.Dir + ".log")
	if err != nil || !bytes.Contains(log, []byte("PIN")) || bytes.Contains(log, []byte(compat.PIN)) {
		t.Errorf("the log does not say that the PIN is wrong, or says the PIN: %v\n%s", err, s.server.Log())
	}
	judge.Write(t, s.dir, "pin", []byte(other+"\n"))
	s.recovers(t)
	s.unleaked(t, before)
	s.stop(t)
	s.unwritten(t, compat.Secret{Name: "new PIN", Bytes: []byte(other)})
}

// TestWorkerHangs stops the process with the library: a call ends by its
// deadline, the process is replaced, and does not stay behind.
func TestWorkerHangs(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	before := s.used(t)
	stopped := s.workers(t)
	for _, pid := range stopped {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // long gone, if all is well
	}
	refused := s.work(t, 32, func(int) {})
	t.Logf("%d of 32 signatures were refused", refused)
	s.recovers(t)
	for _, pid := range stopped {
		if alive(pid) {
			t.Errorf("the worker %d, which hangs, is still there", pid)
		}
	}
	s.unleaked(t, before)
	s.stop(t)
}

// TestWorkerKilled kills the process with the library, again and again, in the
// middle of 1,000 signatures: the server goes on.
func TestWorkerKilled(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	before := s.used(t)
	kills := 0
	var mu sync.Mutex // guards kills
	refused := s.work(t, 1000, func(count int) {
		if count%80 != 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, pid := range s.workers(t) {
			if syscall.Kill(pid, syscall.SIGKILL) == nil {
				kills++
			}
		}
	})
	if kills == 0 {
		t.Error("nothing was killed: the test tests nothing")
	}
	t.Logf("%d workers killed, %d of 1,000 signatures refused", kills, refused)
	s.recovers(t)
	s.unleaked(t, before)
	s.stop(t)
}

// TestServerKilled holds that the processes with the libraries end with the
// server, however that ends.
func TestServerKilled(t *testing.T) {
	s := newSigner(t, newWorld(t, hasty))
	workers := s.workers(t)
	if len(workers) == 0 {
		t.Fatal("there is no worker")
	}
	s.server.Kill()
	for _, pid := range workers {
		for i := 0; alive(pid); i++ {
			if i == 100 {
				t.Fatalf("the worker %d outlives its server by 10 s", pid)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	s.start(t)
	if err := s.sign(t); err != nil {
		t.Error(err)
	}
	s.stop(t)
}
