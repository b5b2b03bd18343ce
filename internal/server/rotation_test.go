package server

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	awsfront "github.com/holdfast-kms/holdfast/internal/front/aws"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	nativekeys "github.com/holdfast-kms/holdfast/internal/front/native/keys"
	nativerotations "github.com/holdfast-kms/holdfast/internal/front/native/rotations"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// rotating is the API of AWS KMS and the native one over keys whose clock the
// test moves.
type rotating struct {
	url, id, secret string
	at              time.Time
	keys            *kms.Service
	rules           *rotation.Service
}

func newRotating(t *testing.T) *rotating {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	compile := func(kind policy.Kind) func(key.Document) (*policy.Policy, error) { return compiler(kind) }
	ctx, s, r := t.Context(), mem.New(), &rotating{at: time.Now()}
	root, err := seal.Ephemeral()
	must(err)
	directory, err := identity.Open(ctx, identity.Config{Root: root, Store: s, Compile: compile(policy.ForIdentity), CompileTrust: compile(policy.ForTrust)})
	must(err)
	g := guard.New(audit.NewMemory(1000), directory)
	engine, err := soft.New(seal.NewKeyring(root, s), soft.Options{PureGo: true})
	must(err)
	t.Cleanup(func() { must(engine.Close()) })
	now := func() time.Time { return r.at }
	r.keys, err = kms.New(ctx, kms.Config{
		Guard: g, Store: s, Engine: engine, Compile: compile(policy.ForResource), DefaultPolicy: aws.DefaultKeyPolicy, Now: now,
	})
	must(err)
	r.rules = rotation.New(rotation.Config{Keys: r.keys, Guard: g, Store: s, Now: now})
	r.keys.FollowRules(r.rules.Status)
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.Root}}, Time: time.Now()}
	k, err := identity.NewAdmin(directory, g).Bootstrap(ctx, call, "admin", key.Document{
		Dialect: aws.Dialect, Text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`,
	}, nil)
	must(err)
	r.id, r.secret = k.ID, k.Secret
	observe := func(context.Context, string, string, string, time.Duration) {}
	own := native.New(native.Config{
		Operations: slices.Concat(nativekeys.Operations(r.keys), nativerotations.Operations(r.rules)), Directory: directory, Door: r.keys, Observe: observe,
	})
	cloud := awsfront.New(awsfront.Config{Services: []awsfront.Service{awskms.New(r.keys, nil)}, Directory: directory, Door: r.keys, Observe: observe})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/holdfast/") {
			own.ServeHTTP(w, q)
			return
		}
		cloud.ServeHTTP(w, q)
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// pass lets a time pass, and the clocks do what is due.
func (r *rotating) pass(t *testing.T, d time.Duration) {
	t.Helper()
	r.at = r.at.Add(d)
	for _, tick := range []func(context.Context) (bool, error){r.rules.Tick, r.keys.Tick} {
		if more, err := tick(t.Context()); err != nil || more {
			t.Fatalf("%t, %v", more, err)
		}
	}
}

// cli runs the AWS CLI.
func (r *rotating) cli(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "aws", append([]string{"kms", "--endpoint-url", r.url, "--output", "text"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+r.id, "AWS_SECRET_ACCESS_KEY="+r.secret, "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// TestRotation signs by an alias, has a rule rotate the key, and verifies what
// was signed before and after it, with the native client and the AWS CLI.
func TestRotation(t *testing.T) {
	r := newRotating(t)
	ctx, text, alias := t.Context(), []byte("release 1.0"), "alias/releases"
	c, err := client.New(client.Config{Address: r.url, AccessKeyID: r.id, SecretAccessKey: r.secret, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateKey(ctx, &client.CreateKeyRequest{Spec: "ECC_NIST_P256", Usage: "SIGN_VERIFY", Alias: alias})
	if err != nil {
		t.Fatal(err)
	}
	sign := client.SignRequest{Message: text, Algorithm: "ECDSA_SHA_256"}
	// verify returns the key that a signature is of, or why it is of none.
	verify := func(name string, s *client.Signature) string {
		v, err := c.Verify(ctx, name, &client.VerifyRequest{SignRequest: sign, Signature: s.Signature})
		if err != nil {
			return string(client.KindOf(err))
		}
		return v.KeyID
	}
	before, err := c.Sign(ctx, alias, &sign)
	if err != nil {
		t.Fatal(err)
	}
	none := 0
	if _, err := c.PutRotationRule(ctx, "releases", &client.PutRotationRuleRequest{
		Keys: []string{alias}, Mode: "automatic", PeriodDays: 500, NoticeDays: &none,
	}); err != nil {
		t.Fatal(err)
	}
	plan, err := c.RotationPlan(ctx, 18, client.Page{})
	if err != nil || len(plan.Keys) != 1 || plan.Keys[0].Action != "successor" || len(plan.Keys[0].Steps) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	r.pass(t, 501*24*time.Hour)

	after, err := c.Sign(ctx, alias, &sign)
	if err != nil {
		t.Fatal(err)
	}
	old, next := made.ID, after.KeyID
	if next == old || before.KeyID != old {
		t.Fatalf("the alias leads to %s after the rotation, to %s before", next, before.KeyID)
	}
	for _, v := range []struct {
		what, name string
		signature  *client.Signature
		want       string
	}{
		{"new by alias", alias, after, next},
		{"old by alias", alias, before, old},
		{"old by the old id", old, before, old},
		{"old by the new id", next, before, "bad-signature"},
	} {
		if got := verify(v.name, v.signature); got != v.want {
			t.Errorf("in the overlap, %s: %s, want %s", v.what, got, v.want)
		}
	}
	if _, err := c.Sign(ctx, old, &sign); client.KindOf(err) != "wrong-state" {
		t.Errorf("the old key signs: %v", err)
	}
	shown, err := c.Key(ctx, old)
	if err != nil || shown.State != "enabled" || shown.Successor != next || !shown.VerifiesUntil.Equal(r.at.Add(90*24*time.Hour)) {
		t.Errorf("the old key: %+v, %v", shown, err)
	}
	t.Run("CLI", func(t *testing.T) { r.commandLine(t, alias, old, before.Signature) })

	r.pass(t, 91*24*time.Hour)
	if got := verify(alias, before); got != "bad-signature" {
		t.Errorf("the old signature after the overlap: %s", got)
	}
	if got := verify(alias, after); got != next {
		t.Errorf("the new signature after the overlap: %s", got)
	}
}

// commandLine verifies signatures with the AWS CLI, signs one more, and asks a
// key that was succeeded for one.
func (r *rotating) commandLine(t *testing.T, alias, old string, signatures ...[]byte) {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not installed (scripts/install-test-tools)")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("release 1.0"), 0o600); err != nil {
		t.Fatal(err)
	}
	message := []string{"--key-id", alias, "--message", "fileb://text", "--message-type", "RAW", "--signing-algorithm", "ECDSA_SHA_256"}
	made, err := r.cli(t, dir, append([]string{"sign", "--query", "Signature"}, message...)...)
	if err != nil {
		t.Fatalf("%v: %s", err, made)
	}
	third, err := base64.StdEncoding.DecodeString(made)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range append(signatures, third) {
		if err := os.WriteFile(filepath.Join(dir, "signature"), s, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := r.cli(t, dir, append([]string{"verify", "--signature", "fileb://signature", "--query", "SignatureValid"}, message...)...)
		if err != nil || out != "True" {
			t.Errorf("signature %d: %s, %v", i, out, err)
		}
	}
	message[1] = old
	if out, err := r.cli(t, dir, append([]string{"sign"}, message...)...); err == nil || !strings.Contains(out, "(KMSInvalidStateException)") {
		t.Errorf("the old key signs: %s", out)
	}
}
