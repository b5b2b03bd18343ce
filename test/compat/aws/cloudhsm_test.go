package aws

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// tokenPIN is the user's PIN of the SoftHSM tokens.
const tokenPIN = "kmsuser-1234"

// softhsm is where Debian has SoftHSM 2's library.
const softhsm = "/usr/lib/softhsm/libsofthsm2.so"

// pool starts a server of its own whose pool has two SoftHSM tokens, and
// returns it with the configuration of SoftHSM.
func pool(t *testing.T, tg *target) (s *compat.Server, conf string) {
	t.Helper()
	if _, err := os.Stat(softhsm); err != nil {
		t.Fatalf("this test needs SoftHSM 2 (package softhsm2; scripts/install-test-tools installs it): %v", err)
	}
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	conf = filepath.Join(dir, "softhsm2.conf")
	write(t, dir, "softhsm2.conf", []byte("directories.tokendir = "+tokens+"\nobjectstore.backend = file\nlog.level = ERROR\n"))
	write(t, dir, "pin", []byte(tokenPIN+"\n"))
	config := "hsm:\n  pool: [pool-a, pool-b]\n  tokens:\n"
	for _, label := range []string{"pool-a", "pool-b"} {
		cmd := exec.CommandContext(t.Context(), "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", tokenPIN, "--so-pin", "officer-5678")
		cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+conf)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("softhsm2-util: %v\n%s", err, out)
		}
		config += fmt.Sprintf("    - name: %s\n      module: %s\n      token: %s\n      pin_file: %s\n      environment: {SOFTHSM2_CONF: %s}\n",
			label, softhsm, label, filepath.Join(dir, "pin"), conf)
	}
	write(t, dir, "holdfast.yaml", []byte(config))
	s, err := compat.Start(t.Context(), tg.server.Binary, filepath.Join(dir, "data"), "--config", filepath.Join(dir, "holdfast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.Log())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, conf
}

// TestCloudHSM runs what guides have published about clusters of HSMs and
// custom key stores, with the real aws command line, openssl and pkcs11-tool,
// on SoftHSM tokens.
func TestCloudHSM(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	need(t, programs().aws)
	need(t, programs().openssl)
	s, conf := pool(t, tg)
	own := *tg
	own.server, own.url = s, s.URL
	own.env = append(append(compat.Environ(), s.Env...), "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "PYTHONDONTWRITEBYTECODE=1", "AWS_ENDPOINT_URL="+s.URL,
		"softhsm="+conf, "module="+softhsm, "pin="+tokenPIN)
	run := "run=hsm ENDPOINT_FLAG=" + own.endpointFlag()
	t.Logf("%s", own.execute(t, t.TempDir(), "bash", "-c", run+`; . "$0"; . "$1"`,
		absolute(t, "testdata/prelude.bash"), absolute(t, "testdata/hsm/cloudhsm.sh")))
	if log, err := os.ReadFile(s.Dir + ".log"); err != nil || strings.Contains(string(log), tokenPIN) {
		t.Errorf("the server's log cannot be read, or has the PIN: %v", err)
	}
}
