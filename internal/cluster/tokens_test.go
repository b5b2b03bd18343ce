package cluster_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	m.Run()
}

const pin = "1234-user"

// softTokens makes SoftHSM tokens and returns the environment to find them with.
func softTokens(t *testing.T, labels ...string) map[string]string {
	t.Helper()
	environment, err := pkcs11test.Environment(t.TempDir())
	must(t, err)
	for _, label := range labels {
		run(t, environment, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "5678-officer")
	}
	return environment
}

// run runs a program with the environment.
func run(t *testing.T, environment map[string]string, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	for k, v := range environment {
		c.Env = append(c.Env, k+"="+v)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// open opens a SoftHSM token.
func open(t *testing.T, environment map[string]string, label string) *hsm.Token {
	t.Helper()
	token, err := hsm.Open(t.Context(), hsm.Config{
		Name: label, Module: pkcs11test.Library(t), Token: label, Environment: environment,
		PIN: func() ([]byte, error) { return []byte(pin), nil }, Log: slog.New(slog.DiscardHandler),
		Launch: func(ctx context.Context, path string, env map[string]string) (pkcs11.Module, error) {
			return worker.Start(ctx, worker.Config{Path: path, Environment: env, Log: slog.New(slog.DiscardHandler)})
		},
	})
	must(t, err)
	t.Cleanup(func() { _ = token.Close() })
	return token
}

// TestRealTokens makes a cluster of SoftHSM tokens: the request is signed in
// the token, keys of others are noticed, and the mark goes when the token is
// given back empty.
func TestRealTokens(t *testing.T) {
	environment := softTokens(t, "one", "two")
	p := cluster.NewTokens(cluster.Member{Token: open(t, environment, "one")}, cluster.Member{Token: open(t, environment, "two")})
	f := newFixture(t)
	f.Service = f.over(p)
	c := f.create()
	h := f.hsm(c.ID)
	c = f.get(c.ID)
	request, err := x509.ParseCertificateRequest(c.Request)
	must(t, err)
	must(t, request.CheckSignature())
	if h.Token != "one" || h.Serial == "" || request.Subject.SerialNumber != h.Serial {
		t.Errorf("%+v, %s", h, request.Subject)
	}
	contents := func(token string) *cluster.Contents {
		t.Helper()
		held, err := p.Contents(t.Context(), token)
		must(t, err)
		return held
	}
	if held := contents("one"); len(held.Objects) != 0 || !slices.Equal(held.Marks, []string{"holdfast/cluster/" + c.ID}) {
		t.Errorf("the token holds %+v", held)
	}
	must(t, f.DeleteHSM(t.Context(), f.admin(), c.ID, h.ID))
	if held := contents("one"); len(held.Marks) != 0 {
		t.Errorf("given back with %+v", held)
	}
	run(t, environment, "pkcs11-tool", "--module", pkcs11test.Library(t), "--token-label", "one", "--login", "--pin", pin,
		"--keypairgen", "--key-type", "EC:secp384r1", "--label", "ca-signing-key", "--id", "01")
	want := []cluster.Object{
		{Class: "private key", Type: "EC", Label: "ca-signing-key", ID: "01"},
		{Class: "public key", Type: "EC", Label: "ca-signing-key", ID: "01"},
	}
	held := contents("one")
	slices.SortFunc(held.Objects, func(a, b cluster.Object) int { return strings.Compare(a.Class, b.Class) })
	if diff := cmp.Diff(want, held.Objects); diff != "" {
		t.Error(diff)
	}
	if h := f.hsm(c.ID); h.Token != "two" {
		t.Errorf("a token with keys of others was taken: %s", h.Token)
	}
	must(t, p.Initialise(t.Context(), "one", "x"))
	if held := contents("one"); len(held.Objects) != 2 {
		t.Error("a token that was initialised is erased")
	}
}
