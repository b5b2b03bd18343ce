package gocloud

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/driver"
	"gocloud.dev/secrets/drivertest"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// Example keeps a secret with a key in a file. The key could be in any place
// that package holdfast knows.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	uri := "file:" + filepath.Join(dir, "secrets")
	if _, err := holdfast.Create(ctx, uri, "aes-256"); err != nil {
		panic(err)
	}
	keeper, err := secrets.OpenKeeper(ctx, "holdfast://?uri="+url.QueryEscape(uri))
	if err != nil {
		panic(err)
	}
	ciphertext, err := keeper.Encrypt(ctx, []byte("a secret"))
	if err != nil {
		panic(err)
	}
	plaintext, err := keeper.Decrypt(ctx, ciphertext)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(plaintext), keeper.Close())
	// Output: a secret <nil>
}

// harness is what the Go CDK's own suite wants to know.
type harness struct{ uris [2]string }

// MakeDriver opens both keys.
func (h *harness) MakeDriver(ctx context.Context) (one, two driver.Keeper, err error) {
	var keepers [2]*keeper
	for i, uri := range h.uris {
		key, err := holdfast.Open(ctx, uri)
		if err != nil {
			return nil, nil, err
		}
		if keepers[i], err = newKeeper(key); err != nil {
			return nil, nil, err
		}
	}
	return keepers[0], keepers[1], nil
}

// Close is called at the end of each test: the keys are for all of them.
func (*harness) Close() {}

// asError checks ErrorAs.
type asError struct{}

// Name names the check.
func (asError) Name() string { return "*holdfast.Error" }

// ErrorCheck looks at an error of Decrypt.
func (asError) ErrorCheck(k *secrets.Keeper, err error) error {
	var e *holdfast.Error
	if !k.ErrorAs(err, &e) || e.Kind != holdfast.BadCiphertext {
		return fmt.Errorf("ErrorAs has another error of it: %w", err)
	}
	var other *os.PathError
	if k.ErrorAs(err, &other) {
		return errors.New("it is a *os.PathError too")
	}
	if code := gcerrors.Code(err); code != gcerrors.InvalidArgument {
		return fmt.Errorf("its code is %v", code)
	}
	return nil
}

// conform runs the Go CDK's own suite on two keys that it makes first.
func conform(t *testing.T, spec, one, two string) {
	for _, uri := range []string{one, two} {
		key, err := holdfast.Create(t.Context(), uri, spec, holdfast.WithUsage("encrypt-decrypt"))
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Close(); err != nil {
			t.Error(err)
		}
	}
	drivertest.RunConformanceTests(t, func(context.Context, *testing.T) (drivertest.Harness, error) {
		return &harness{[2]string{one, two}}, nil
	}, []drivertest.AsTest{asError{}})
}

func TestFile(t *testing.T) {
	for _, spec := range []string{"aes-256", "rsa-2048"} {
		t.Run(spec, func(t *testing.T) {
			at := "file:" + t.TempDir()
			conform(t, spec, at+"/one", at+"/two")
		})
	}
}

func TestServer(t *testing.T) {
	s := compat.Use(t)
	for _, spec := range []string{"aes-256", "rsa-2048"} {
		t.Run(spec, func(t *testing.T) { conform(t, spec, "holdfast:///one-"+spec, "holdfast:///alias/two-"+spec) })
	}
	host := strings.TrimPrefix(s.URL, "https://")
	for _, at := range []string{
		"holdfast:///one-aes-256", "holdfast:///alias/one-aes-256", "holdfast://" + host + "/one-aes-256",
		"holdfast://?uri=" + url.QueryEscape("holdfast://"+host+"/one-aes-256"),
		"holdfast://?uri=awskms:///alias/one-aes-256", // the same server, as AWS KMS
	} {
		k, err := secrets.OpenKeeper(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		ciphertext, err := k.Encrypt(t.Context(), []byte("m"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Decrypt(t.Context(), ciphertext); err != nil || string(got) != "m" {
			t.Errorf("%s: %q, %v", at, got, err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestURLs(t *testing.T) {
	dir := t.TempDir()
	for name, spec := range map[string]string{"kek": "aes-256", "signing": "p-256"} {
		if _, err := holdfast.Create(t.Context(), "file:"+filepath.Join(dir, name), spec); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[string]holdfast.Kind{
		"holdfast://?uri=file:" + dir + "/kek":          "",
		"holdfast://?uri=file:" + dir + "/signing":      holdfast.Unsupported,
		"holdfast://?uri=file:" + dir + "/none":         holdfast.NotFound,
		"holdfast://?uri=file:" + dir + "/kek&region=a": holdfast.Internal, // not of package holdfast
		"holdfast://?uri=file:/a&uri=file:/b":           holdfast.Internal,
		"holdfast://?uri=":                              holdfast.InvalidArgument,
		"holdfast://?uri=ftp://a":                       holdfast.InvalidArgument,
		"holdfast:///a?colour=red":                      holdfast.InvalidArgument,
		"holdfast:///a?uri=file:/b":                     holdfast.InvalidArgument,
	} {
		k, err := secrets.OpenKeeper(t.Context(), at)
		if got := holdfast.KindOf(err); got != want {
			t.Errorf("%s: %v, %v", at, got, err)
		}
		if err == nil {
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for kind, want := range codes {
		if got := new(keeper).ErrorCode(&holdfast.Error{Kind: kind}); got != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
	dir := t.TempDir()
	key, err := holdfast.Create(t.Context(), "file:"+filepath.Join(dir, "kek"), "aes-256")
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeeper(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // a key in a file has nothing to close
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Encrypt(ended, nil); gcerrors.Code(err) != gcerrors.Canceled {
		t.Error(err)
	}
	late, stop := context.WithTimeout(t.Context(), -1)
	defer stop()
	if _, err := k.Decrypt(late, nil); gcerrors.Code(err) != gcerrors.DeadlineExceeded {
		t.Error(err)
	}
}
