package aws

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/holdfast-kms/holdfast/test/compat"
)

var endpoint = flag.String("endpoint", os.Getenv("HOLDFAST_COMPAT_ENDPOINT"),
	`URL to test instead of a Holdfast of our own, or "cloud" for the real one`)

// target is what the tests talk to.
type target struct {
	url, region, account string
	// server is our own, nil when an endpoint was given.
	server *compat.Server
	creds  aws.Credentials
	http   *http.Client
	// env points the command line clients at the target.
	env []string
	// dir holds the binary and the server's data.
	dir string
	// hsms is the server with a pool of tokens, started by who needs it first.
	hsms func() (*target, error)
	pool *target // what it returned
}

// tools are the programs of others that the tests run.
type tools struct{ aws, boto3, openssl compat.Tool }

var (
	shared = sync.OnceValues(open)
	// programs are looked for once: each costs the start of a Python.
	programs = sync.OnceValue(func() tools {
		ctx := context.Background()
		return tools{
			aws:     compat.FindTool(ctx, "aws-cli", "aws", "--version"),
			boto3:   compat.FindTool(ctx, "boto3", "python3", "-c", "import boto3; print(boto3.__version__)"),
			openssl: compat.FindTool(ctx, "openssl", "openssl", "version"),
		}
	})
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m)) //nolint:forbidigo // this is how a TestMain ends
}

// run runs the tests and says at the end against what, and with which clients.
func run(m *testing.M) int {
	t, err := shared()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := t.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	p := programs()
	what := "another endpoint, " + t.url
	if t.server != nil {
		what = "holdfast dev"
	}
	_, _ = fmt.Fprintf(os.Stdout, "compat/aws: tested %s with %v, %v, %v and aws-sdk-go-v2\n", what, p.aws, p.boto3, p.openssl)
	return code
}

// open starts our server, or points at the endpoint that was given.
func open() (*target, error) {
	ctx := context.Background()
	t := &target{url: *endpoint, http: http.DefaultClient, env: os.Environ()}
	t.hsms = sync.OnceValues(t.startPool)
	if t.url == "" {
		if err := t.start(ctx); err != nil {
			return nil, err
		}
	}
	t.region = cmp.Or(compat.Lookup(t.env, "AWS_REGION"), compat.Lookup(t.env, "AWS_DEFAULT_REGION"), "us-east-1")
	t.creds = aws.Credentials{
		AccessKeyID:     compat.Lookup(t.env, "AWS_ACCESS_KEY_ID"),
		SecretAccessKey: compat.Lookup(t.env, "AWS_SECRET_ACCESS_KEY"),
		SessionToken:    compat.Lookup(t.env, "AWS_SESSION_TOKEN"),
	}
	t.env = append(t.env, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_REGION="+t.region, "AWS_DEFAULT_REGION="+t.region)
	if t.url == "cloud" {
		t.url = "https://kms." + t.region + ".amazonaws.com"
	} else {
		t.env = append(t.env, "AWS_ENDPOINT_URL="+t.url)
	}
	out, err := sts.New(t.stsOptions(t.creds)).GetCallerIdentity(ctx, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking %s who we are: %w", t.url, err), t.close())
	}
	t.account = *out.Account
	return t, nil
}

// start builds the binary and starts it.
func (t *target) start(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "holdfast-compat-")
	if err != nil {
		return err
	}
	t.dir = dir
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	t.server, err = compat.Start(ctx, binary, filepath.Join(dir, "data"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	t.url, t.env = t.server.URL, append(compat.Environ(), t.server.Env...)
	if got := compat.Lookup(t.server.Env, "AWS_ENDPOINT_URL"); got != t.url {
		return errors.Join(fmt.Errorf("the env file's AWS_ENDPOINT_URL is %q, the server said %q", got, t.url), t.close())
	}
	t.http, err = compat.Trusting(compat.Lookup(t.server.Env, "AWS_CA_BUNDLE"))
	return err
}

// close stops our server.
func (t *target) close() error {
	if t.server == nil {
		return nil
	}
	failed := t.server.Stop()
	if t.pool != nil {
		failed = errors.Join(failed, t.pool.server.Stop())
	}
	return errors.Join(failed, os.RemoveAll(t.dir))
}

func (t *target) stsOptions(c aws.Credentials) sts.Options {
	o := sts.Options{Region: t.region, HTTPClient: t.http, Credentials: provider(c), RetryMaxAttempts: 1}
	if !strings.HasSuffix(t.url, ".amazonaws.com") {
		o.BaseEndpoint = &t.url
	}
	return o
}

// kms returns a client with the credentials. It does not retry: an answer
// that a retry would hide is a finding.
func (t *target) kms(c aws.Credentials) *kms.Client {
	o := kms.Options{Region: t.region, HTTPClient: t.http, Credentials: provider(c), RetryMaxAttempts: 1}
	if !strings.HasSuffix(t.url, ".amazonaws.com") {
		o.BaseEndpoint = &t.url
	}
	return kms.New(o)
}

// arn returns the ARN of a resource of the target's account, such as "key/x".
func (t *target) arn(resource string) string {
	return "arn:aws:kms:" + t.region + ":" + t.account + ":" + resource
}

func provider(c aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return c, nil })
}

// setup returns the target and a client of its first administrator.
func setup(t *testing.T) (*target, *kms.Client) {
	t.Helper()
	tg, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return tg, tg.kms(tg.creds)
}

// onlyOurs skips a test of what no other endpoint has.
func onlyOurs(t *testing.T, tg *target) {
	t.Helper()
	if tg.server == nil {
		t.Skip("another endpoint is tested: it has no holdfast command line")
	}
}

// need skips a test whose tool the machine lacks.
func need(t *testing.T, tool compat.Tool) {
	t.Helper()
	if tool.Version == "" {
		t.Skipf("%s is not installed", tool.Name)
	}
}

// newKey makes a key, and schedules its deletion at the end of the test.
func newKey(t *testing.T, c *kms.Client, spec types.KeySpec, usage types.KeyUsageType, tags ...types.Tag) *types.KeyMetadata {
	t.Helper()
	out, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage, Tags: tags, Description: aws.String(t.Name())})
	if err != nil {
		t.Fatalf("CreateKey %s %s: %v", spec, usage, err)
	}
	t.Cleanup(func() {
		in := &kms.ScheduleKeyDeletionInput{KeyId: out.KeyMetadata.KeyId, PendingWindowInDays: aws.Int32(7)}
		if _, err := c.ScheduleKeyDeletion(context.Background(), in); err != nil && code(err) != "KMSInvalidStateException" {
			t.Logf("scheduling the deletion of a test's key: %v", err)
		}
	})
	return out.KeyMetadata
}

// newAlias gives a key a name of this test's own and returns it.
func newAlias(t *testing.T, c *kms.Client, id *string) string {
	t.Helper()
	name := fmt.Sprintf("alias/%s-%d", strings.NewReplacer("/", "-", "#", "-").Replace(t.Name()), time.Now().UnixNano())
	if _, err := c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: id}); err != nil {
		t.Fatalf("CreateAlias %s: %v", name, err)
	}
	t.Cleanup(func() { _, _ = c.DeleteAlias(context.Background(), &kms.DeleteAliasInput{AliasName: &name}) }) // the test may have done it
	return name
}

// code returns the error code of an API's answer, "" for anything else.
func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// refused checks the code of an error and, unless message is "*", its text.
func refused(t *testing.T, err error, wantCode, wantMessage string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("got %v, want %s %q", err, wantCode, wantMessage)
	}
	if api.ErrorCode() != wantCode || wantMessage != "*" && api.ErrorMessage() != wantMessage {
		t.Errorf("got  %s %q\nwant %s %q", api.ErrorCode(), api.ErrorMessage(), wantCode, wantMessage)
	}
}

// execute runs a program of a client against the target in a folder of its
// own, and fails the test when it fails. It returns both outputs together.
func (t *target) execute(tb *testing.T, dir string, command ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, t.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, out.String())
	}
	return out.String()
}
