package byok

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// world is a running Holdfast and a client of its AWS KMS.
type world struct {
	*kms.Client

	server *compat.Server
	dir    string
}

// shared is the world of all tests that do not end their server.
var shared = sync.OnceValues(func() (*world, error) {
	dir, err := os.MkdirTemp("", "holdfast-byok-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir}
	return w, w.start(context.Background())
})

// binary is built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "holdfast-byok-binary-")
	if err != nil {
		return "", err
	}
	return compat.Build(context.Background(), dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if err := closeAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

func closeAll() error {
	w, err := shared()
	if err != nil {
		return err
	}
	path, err := binary()
	if err != nil {
		return err
	}
	err = errors.Join(w.server.Stop(), os.RemoveAll(w.dir))
	if dir := filepath.Dir(path); strings.Contains(dir, "holdfast-byok-binary-") {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// start starts the server on the world's folder, as a first time or again.
func (w *world) start(ctx context.Context) error {
	path, err := binary()
	if err != nil {
		return err
	}
	if w.server, err = compat.Start(ctx, path, filepath.Join(w.dir, "data")); err != nil {
		return err
	}
	w.Client, err = client(w.server)
	return err
}

func setup(t *testing.T) *world {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// untraced holds, now and at the end of the test, that the server has written
// nothing of a plain key into its files or its log.
func (w *world) untraced(t *testing.T, name string, plain []byte) {
	t.Helper()
	t.Cleanup(func() {
		found, err := compat.FindInFiles(compat.Secrets(name, plain), w.server.Dir, w.server.Dir+".log")
		if err != nil {
			t.Error(err)
		}
		for _, what := range found {
			t.Errorf("found %s", what)
		}
	})
}

// execute runs a program with the server's environment in a folder and returns
// both of its outputs; it fails the test when the program fails.
func (w *world) execute(t *testing.T, dir string, command ...string) string {
	t.Helper()
	out, err := w.try(t, dir, command...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
	return out
}

// try is execute for a program that may fail.
func (w *world) try(t *testing.T, dir string, command ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(compat.Environ(), w.server.Env...), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_MAX_ATTEMPTS=1", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"PYTHONDONTWRITEBYTECODE=1", "TZ=UTC")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// refused checks the code of an error and, unless message is "*", its text.
func refused(t *testing.T, err error, wantCode, wantMessage string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case !ok:
		t.Errorf("got %v, want %s %q", err, wantCode, wantMessage)
	case api.ErrorCode() != wantCode || wantMessage != "*" && api.ErrorMessage() != wantMessage:
		t.Errorf("got  %s %q\nwant %s %q", api.ErrorCode(), api.ErrorMessage(), wantCode, wantMessage)
	}
}

// client returns a client of a server with its first credentials.
func client(s *compat.Server) (*kms.Client, error) {
	over, err := compat.Trusting(compat.Lookup(s.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	return judge.Client(s.URL, compat.Lookup(s.Env, "AWS_ACCESS_KEY_ID"), compat.Lookup(s.Env, "AWS_SECRET_ACCESS_KEY"), over), nil
}
