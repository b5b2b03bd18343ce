package server

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskmssdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

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
	observe := func(string, string, string, time.Duration) {}
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

// TestRotation signs by an alias with the official clients, has a rule rotate
// the key, and verifies what was signed before and after it.
func TestRotation(t *testing.T) {
	r := newRotating(t)
	ctx := t.Context()
	c := awskmssdk.New(awskmssdk.Options{
		Region: "us-east-1", BaseEndpoint: &r.url, Credentials: credentials.NewStaticCredentialsProvider(r.id, r.secret, ""), RetryMaxAttempts: 1,
	})
	mine, err := client.New(client.Config{Address: r.url, AccessKeyID: r.id, SecretAccessKey: r.secret, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	alias, text := sdk.String("alias/releases"), []byte("release 1.0")
	made, err := c.CreateKey(ctx, &awskmssdk.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	old := *made.KeyMetadata.KeyId
	if _, err := c.CreateAlias(ctx, &awskmssdk.CreateAliasInput{AliasName: alias, TargetKeyId: &old}); err != nil {
		t.Fatal(err)
	}
	sign := func(id *string) ([]byte, error) {
		out, err := c.Sign(ctx, &awskmssdk.SignInput{KeyId: id, Message: text, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if err != nil {
			return nil, err
		}
		return out.Signature, nil
	}
	verify := func(id *string, signature []byte) (string, error) {
		out, err := c.Verify(ctx, &awskmssdk.VerifyInput{KeyId: id, Message: text, Signature: signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
		if err != nil {
			return "", err
		}
		return (*out.KeyId)[strings.LastIndex(*out.KeyId, "/")+1:], nil
	}
	before, err := sign(alias)
	if err != nil {
		t.Fatal(err)
	}

	none := 0
	if _, err := mine.PutRotationRule(ctx, "releases", &client.PutRotationRuleRequest{
		Keys: []string{*alias}, Mode: "automatic", PeriodDays: 500, NoticeDays: &none,
	}); err != nil {
		t.Fatal(err)
	}
	plan, err := mine.RotationPlan(ctx, 18, client.Page{})
	if err != nil || len(plan.Keys) != 1 || plan.Keys[0].Action != "successor" || len(plan.Keys[0].Steps) != 1 {
		t.Fatalf("%+v, %v", plan, err)
	}
	r.pass(t, 501*24*time.Hour)

	after, err := sign(alias)
	if err != nil {
		t.Fatal(err)
	}
	next, err := verify(alias, after)
	if err != nil || next == old {
		t.Fatalf("the new signature is of %s: %v", next, err)
	}
	if by, err := verify(alias, before); err != nil || by != old {
		t.Errorf("the old signature by the alias is of %s: %v", by, err)
	}
	if _, err := mine.Verify(ctx, *alias, &client.VerifyRequest{SignRequest: client.SignRequest{Message: text, Algorithm: "ECDSA_SHA_256"}, Signature: before}); err != nil {
		t.Errorf("the old signature, natively: %v", err)
	}
	var wrong *types.KMSInvalidSignatureException
	if _, err := verify(&next, before); !errors.As(err, &wrong) {
		t.Errorf("the old signature with the new key: %v", err)
	}
	var state *types.KMSInvalidStateException
	if _, err := sign(&old); !errors.As(err, &state) {
		t.Errorf("the old key signs: %v", err)
	}
	shown, err := mine.Key(ctx, old)
	if err != nil || shown.State != "enabled" {
		t.Errorf("the old key: %+v, %v", shown, err)
	}
	t.Run("CLI", func(t *testing.T) { r.commandLine(t, *alias, before, after) })

	r.pass(t, 91*24*time.Hour)
	if _, err := verify(alias, before); !errors.As(err, &wrong) {
		t.Errorf("the old signature after the overlap: %v", err)
	}
	if _, err := verify(alias, after); err != nil {
		t.Error(err)
	}
}

// commandLine verifies signatures with the AWS CLI, and signs one more.
func (r *rotating) commandLine(t *testing.T, alias string, signatures ...[]byte) {
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
}
