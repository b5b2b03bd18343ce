package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Dev is what only a development server has.
type Dev struct {
	// ListenHTTP is a plain listener, on loopback only; "" means none.
	ListenHTTP string
	// InMemory keeps nothing of keys, certificates and audit entries.
	InMemory bool
	// Credentials are chosen by whoever starts the server: each is of the root
	// of its realm.
	Credentials []DevCredential

	// admin is the administrator's credential, which DIR/env has.
	admin *identity.NewAccessKey
	url   string
}

// DevCredential is an access key chosen outside.
type DevCredential struct {
	ID, Secret string
	Realm      key.RealmID
}

// ParseDevCredential reads ID:SECRET[:ACCOUNT].
func ParseDevCredential(text string) (DevCredential, error) {
	parts := strings.Split(text, ":")
	c := DevCredential{Realm: key.DefaultRealm}
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return c, fault.New(fault.InvalidArgument, "a credential is written ID:SECRET or ID:SECRET:ACCOUNT")
	}
	c.ID, c.Secret = parts[0], parts[1]
	if len(parts) == 3 {
		c.Realm = key.RealmID(parts[2])
	}
	if !c.Realm.Valid() {
		return c, fault.New(fault.InvalidArgument, "an account is 12 digits, not %q", parts[2])
	}
	return c, nil
}

// EnvFile is the file in the data directory that points clients at the server.
const EnvFile = "env"

// administrator is the name of the first user.
const administrator = "admin"

// Administrator returns the identity policy of the first user.
func Administrator() key.Document {
	return key.Document{
		Dialect: aws.Dialect,
		Text:    `{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Action":"*","Resource":"*"}]}`,
	}
}

// startCall is the envelope of what a start itself does in a realm.
func startCall(realm key.RealmID, operation string) *key.Call {
	return guard.OwnCall(realm, "", "server", operation, time.Now())
}

// prepareDev gives a development server its credentials and writes DIR/env.
func (s *server) prepareDev(ctx context.Context, url string) error {
	s.Dev.url = url
	path := filepath.Join(s.Config.Data, EnvFile)
	s.Dev.admin = readAdmin(path)
	if err := s.devCredentials(ctx); err != nil {
		return err
	}
	if err := durable.WriteFile(path, []byte(s.env()), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// devCredentials sees to it that the instance knows the administrator's
// credential and those of the command line.
func (s *server) devCredentials(ctx context.Context) error {
	i, call := s.instance.Load(), startCall(key.DefaultRealm, "Start")
	var err error
	switch known := s.Dev.admin != nil && i.directory.Knows(s.Dev.admin.ID); {
	case known:
	case i.directory.Empty():
		s.Dev.admin, err = i.admin.Bootstrap(ctx, call, administrator, Administrator(), s.Dev.admin)
	default:
		s.Dev.admin, err = i.admin.Replace(ctx, call, administrator)
	}
	if err != nil {
		return fmt.Errorf("making the administrator: %w", err)
	}
	for _, c := range s.Dev.Credentials {
		if err := i.admin.ImportAccessKey(ctx, startCall(c.Realm, "Start"), c.ID, c.Secret); err != nil {
			return fmt.Errorf("importing the credential %s: %w", c.ID, err)
		}
	}
	return nil
}

// readAdmin returns the credential that an earlier start wrote, or nil.
func readAdmin(path string) *identity.NewAccessKey {
	text, err := os.ReadFile(path) //nolint:gosec // the data directory's own file
	if err != nil {
		return nil
	}
	k := &identity.NewAccessKey{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "export ")), "=")
		switch name {
		case "HOLDFAST_ACCESS_KEY_ID":
			k.ID = strings.Trim(value, "'")
		case "HOLDFAST_SECRET_ACCESS_KEY":
			k.Secret = strings.Trim(value, "'")
		}
	}
	if k.ID == "" || k.Secret == "" {
		return nil
	}
	return k
}

// env returns the content of DIR/env, to be sourced by a shell. The AWS
// credential is the first of the command line's, else the administrator's.
func (s *server) env() string {
	ca := certificate.CA(&s.Config)
	awsID, awsSecret := s.Dev.admin.ID, s.Dev.admin.Secret
	if len(s.Dev.Credentials) > 0 {
		awsID, awsSecret = s.Dev.Credentials[0].ID, s.Dev.Credentials[0].Secret
	}
	var b strings.Builder
	b.WriteString("# Points clients at this Holdfast. Use it with: source " + filepath.Join(s.Config.Data, EnvFile) + "\n")
	for _, v := range [][2]string{
		{"HOLDFAST_ADDR", s.Dev.url},
		{"HOLDFAST_CACERT", ca},
		{"HOLDFAST_DIR", s.Config.Data},
		{"HOLDFAST_ACCESS_KEY_ID", s.Dev.admin.ID},
		{"HOLDFAST_SECRET_ACCESS_KEY", s.Dev.admin.Secret},
		{"AWS_ENDPOINT_URL", s.Dev.url},
		{"AWS_CA_BUNDLE", ca},
		{"AWS_REGION", s.Config.Region},
		{"AWS_DEFAULT_REGION", s.Config.Region},
		{"AWS_ACCESS_KEY_ID", awsID},
		{"AWS_SECRET_ACCESS_KEY", awsSecret},
		{"SSL_CERT_FILE", ca},
		{"HOLDFAST_KEYLESS_ADDR", s.keyless.Load().Addr()},
	} {
		fmt.Fprintf(&b, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return b.String()
}

// serveDev serves a request of a development server, which can be emptied.
func (s *server) serveDev(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/dev/reset" {
		s.reset(w, r)
		return
	}
	s.resetting.RLock()
	defer s.resetting.RUnlock()
	s.instance.Load().handler.ServeHTTP(w, r)
}

// reset empties a development server: keys, certificates, users and the audit
// log go; its address, certificate and credentials stay. Only a loopback
// caller may ask.
func (s *server) reset(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "use POST")
		return
	}
	if !config.Loopback(r.RemoteAddr) {
		answer(w, http.StatusForbidden, "only this machine may empty a development server")
		return
	}
	// The pages that a browser on this machine shows are of strangers: they can
	// send such a request to any server of this machine, but not without these.
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		answer(w, http.StatusForbidden, "no web page may empty a development server")
		return
	}
	s.resetting.Lock()
	defer s.resetting.Unlock()
	if err := s.empty(context.WithoutCancel(r.Context())); err != nil {
		s.Log.ErrorContext(r.Context(), "emptying the server", slog.Any("cause", err))
		answer(w, http.StatusInternalServerError, "not emptied: see the server's log")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// empty replaces the instance by a new one. No request runs.
func (s *server) empty(ctx context.Context) error {
	if err := s.instance.Load().close(); err != nil {
		return err
	}
	if !s.Dev.InMemory {
		stores, err := filepath.Glob(filepath.Join(s.Config.Data, storeFile+"*"))
		if err != nil {
			return err
		}
		var failures []error
		for _, path := range append(stores, filepath.Join(s.Config.Data, auditDir), filepath.Join(s.Config.Data, crlDir)) {
			failures = append(failures, os.RemoveAll(path))
		}
		if err := errors.Join(failures...); err != nil {
			return err
		}
	}
	if s.Config.Buckets.Dir == "" { // else it may have files of others
		if err := os.RemoveAll(s.Config.BucketDir()); err != nil {
			return err
		}
	}
	i, err := open(ctx, &s.Config, s.Root, s.Dev.InMemory, s.metrics, s.Log)
	if err != nil {
		return err
	}
	s.instance.Store(i)
	s.keyless.Load().Hangup() // its connections are of those who are gone
	return s.devCredentials(ctx)
}
