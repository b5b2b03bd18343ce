package aws

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudhsmv2"

	"github.com/holdfast-kms/holdfast/test/compat"
)

const (
	// tokenPIN is the user's PIN of the SoftHSM tokens.
	tokenPIN = "kmsuser-1234"
	// softhsm is where Debian has SoftHSM 2's library.
	softhsm = "/usr/lib/softhsm/libsofthsm2.so"
	// poolTokens is how many tokens the shared server has.
	poolTokens = 10
)

// startPool starts a second server, whose pool has SoftHSM tokens.
func (t *target) startPool() (*target, error) {
	dir := filepath.Join(t.dir, "hsms")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var labels []string
	for n := range poolTokens {
		labels = append(labels, fmt.Sprintf("shared-%d", n))
	}
	own, _, err := t.withTokens(context.Background(), dir, labels...)
	t.pool = own
	return own, err
}

// withTokens starts a server in a directory whose pool has SoftHSM tokens of
// some labels, and returns it with the configuration of SoftHSM.
func (t *target) withTokens(ctx context.Context, dir string, labels ...string) (own *target, conf string, err error) {
	if _, err := os.Stat(softhsm); err != nil {
		return nil, "", fmt.Errorf("this test needs SoftHSM 2 (package softhsm2; scripts/install-test-tools installs it): %w", err)
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return nil, "", err
	}
	conf = filepath.Join(dir, "softhsm2.conf")
	files := map[string]string{
		conf:                      "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n",
		filepath.Join(dir, "pin"): tokenPIN + "\n",
	}
	var config strings.Builder
	config.WriteString("hsm:\n  pool: [" + strings.Join(labels, ", ") + "]\n  tokens:\n")
	for _, label := range labels {
		fmt.Fprintf(&config, "    - name: %s\n      module: %s\n      token: %s\n      pin_file: %s\n      environment: {SOFTHSM2_CONF: %s}\n",
			label, softhsm, label, filepath.Join(dir, "pin"), conf)
	}
	files[filepath.Join(dir, "holdfast.yaml")] = config.String()
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return nil, "", err
		}
	}
	for _, label := range labels {
		cmd := exec.CommandContext(ctx, "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", tokenPIN, "--so-pin", "officer-5678")
		cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+conf)
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, "", fmt.Errorf("softhsm2-util: %w\n%s", err, out)
		}
	}
	s, err := compat.Start(ctx, t.server.Binary, filepath.Join(dir, "data"), "--config", filepath.Join(dir, "holdfast.yaml"))
	if err != nil {
		return nil, "", err
	}
	own, err = t.at(s)
	own.dir = dir
	own.env = append(own.env, "pin="+tokenPIN)
	return own, conf, err
}

// at returns the target at another server of ours.
func (t *target) at(s *compat.Server) (own *target, err error) {
	copied := *t
	copied.server, copied.url = s, s.URL
	copied.creds.AccessKeyID, copied.creds.SecretAccessKey = compat.Lookup(s.Env, "AWS_ACCESS_KEY_ID"), compat.Lookup(s.Env, "AWS_SECRET_ACCESS_KEY")
	copied.env = append(append(compat.Environ(), s.Env...), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "PYTHONDONTWRITEBYTECODE=1", "AWS_ENDPOINT_URL="+s.URL,
		"AWS_REGION="+t.region, "AWS_DEFAULT_REGION="+t.region)
	copied.http, err = compat.Trusting(compat.Lookup(s.Env, "AWS_CA_BUNDLE"))
	return &copied, err
}

// cloudhsm returns a client of the target's first administrator, which does
// not retry.
func (t *target) cloudhsm() *cloudhsmv2.Client {
	return cloudhsmv2.New(cloudhsmv2.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: &t.url,
	})
}

// hsmTarget returns the server with a pool.
func hsmTarget(t *testing.T) *target {
	t.Helper()
	tg, _ := setup(t)
	onlyOurs(t, tg)
	own, err := tg.hsms()
	if err != nil {
		t.Fatal(err)
	}
	return own
}

// TestCloudHSM runs what guides have published about clusters of HSMs and
// custom key stores, with the real aws command line, openssl and pkcs11-tool,
// on SoftHSM tokens.
func TestCloudHSM(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	need(t, programs().aws)
	need(t, programs().openssl)
	own, conf, err := tg.withTokens(t.Context(), t.TempDir(), "pool-a", "pool-b")
	if err != nil {
		t.Fatal(err)
	}
	s := own.server
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.Log())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	own.env = append(own.env, "softhsm="+conf, "holdfast="+s.Binary, "module="+softhsm)
	run := "run=hsm ENDPOINT_FLAG=" + own.endpointFlag()
	t.Logf("%s", own.execute(t, t.TempDir(), "bash", "-c", run+`; . "$0"; . "$1"`,
		absolute(t, "testdata/prelude.bash"), absolute(t, "testdata/hsm/cloudhsm.sh")))
	if log, err := os.ReadFile(s.Dir + ".log"); err != nil || strings.Contains(string(log), tokenPIN) {
		t.Errorf("the server's log cannot be read, or has the PIN: %v", err)
	}
}

// TestCloudHSMBoto3 does the same, and what is left of CloudHSM's API, with
// boto3.
func TestCloudHSMBoto3(t *testing.T) {
	t.Parallel()
	own := hsmTarget(t)
	need(t, programs().boto3)
	t.Logf("%s", own.execute(t, t.TempDir(), "python3", absolute(t, "testdata/hsm/cloudhsm.py")))
}
