package remote

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
)

// world is a development server in memory with a clock for tokens over it.
type world struct {
	*client.Client
	settings client.Config
	keyless  string // the address of the key server
	stop     func()
	now      atomic.Int64
}

// start starts a server, and ends it with the test.
func start(t *testing.T) *world {
	t.Helper()
	root, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Data, c.Listen = t.TempDir(), "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Config: c, Root: root, Log: slog.New(slog.DiscardHandler), Dev: &server.Dev{InMemory: true},
			Ready: func(url string) error { ready <- url; return nil },
		})
	}()
	w := &world{}
	stopped := false
	w.stop = func() {
		if !stopped {
			stopped = true
			w.CloseIdleConnections()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the server ended with %v", err)
			}
		}
	}
	t.Cleanup(w.stop)
	select {
	case <-ready:
	case err := <-ended:
		stopped = true
		t.Fatalf("the server does not start: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(c.Data, "env"))
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	for _, v := range regexp.MustCompile(`(?m)^export (HOLDFAST_\w+)='([^']*)'$`).FindAllStringSubmatch(string(text), -1) {
		vars[v[1]] = v[2]
	}
	w.settings = client.Config{
		Address: vars[client.EnvAddress], CACert: vars[client.EnvCACert], Region: vars[client.EnvRegion],
		AccessKeyID: vars[client.EnvAccessKeyID], SecretAccessKey: vars[client.EnvSecretAccessKey],
	}
	w.keyless = vars["HOLDFAST_KEYLESS_ADDR"]
	if w.Client, err = client.New(w.settings); err != nil {
		t.Fatal(err)
	}
	w.now.Store(time.Now().UnixNano())
	return w
}

// pass moves the tokens' clock.
func (w *world) pass(d time.Duration) { w.now.Add(int64(d)) }

// token opens a token over the server.
func (w *world) token(t *testing.T, change func(*Config)) *Token {
	t.Helper()
	c := Config{
		Label: "test", Server: w.settings, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Unix(0, w.now.Load()) },
	}
	if change != nil {
		change(&c)
	}
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made
}

// pin is the credential of the server's root as a PIN.
func (w *world) pin() []byte {
	return []byte(w.settings.AccessKeyID + ":" + w.settings.SecretAccessKey)
}

// login logs in with a PIN.
func (w *world) login(t *testing.T, on *Token, pin []byte) token.Holder {
	t.Helper()
	h, err := on.Login(t.Context(), pin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// user makes a user with a policy, and returns its PIN.
func (w *world) user(t *testing.T, name, policy string) []byte {
	t.Helper()
	if _, err := w.CreateUser(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := w.PutUserPolicy(t.Context(), name, "it", client.Policy{Document: policy}); err != nil {
		t.Fatal(err)
	}
	k, err := w.CreateAccessKey(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(k.ID + ":" + k.SecretAccessKey)
}

// objects returns what a holder sees, by kind and label.
func objects(t *testing.T, h token.Holder) map[string]token.Object {
	t.Helper()
	list, err := h.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]token.Object{}
	for _, o := range list {
		name := "key " + o.Label
		if o.Kind == token.Certificate {
			name = "certificate " + o.Label
		}
		for all[name].ID != "" {
			name += "'"
		}
		all[name] = o
	}
	return all
}

// wants fails the test unless an error has the kind.
func wants(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("got %v, want %v", err, kind)
	}
}
