// Package judge has the openssl command judge what the keys of a server do
// over the AWS API: signatures, codes, encryption, public halves. The tests of
// keys that come from elsewhere, or live in an HSM, share it. Start with Key.
package judge

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Client returns a client of a server's AWS KMS. It does not retry: an answer
// that a retry would hide is a finding.
func Client(url, accessKeyID, secret string, over *http.Client) *kms.Client {
	creds := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secret}
	return kms.New(kms.Options{
		Region: "us-east-1", HTTPClient: over, BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	})
}

// OpenSSL runs a command of it in dir and returns what it printed. A failure,
// such as a signature that does not verify, ends the test.
func OpenSSL(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := Try(t, dir, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try is OpenSSL for a command that may fail.
func Try(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...) //nolint:gosec // the tests' own commands
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// PKCS8 has openssl make a private key in the file of dir, as an unencrypted
// PKCS #8 PrivateKeyInfo in DER. Its genpkey writes DER in the older forms of
// each type, hence the second step. The arguments are the algorithm and options.
func PKCS8(t testing.TB, dir, file string, algorithm ...string) {
	t.Helper()
	OpenSSL(t, dir, append([]string{"genpkey", "-out", file + ".pem", "-algorithm"}, algorithm...)...)
	OpenSSL(t, dir, "pkcs8", "-topk8", "-nocrypt", "-in", file+".pem", "-outform", "DER", "-out", file)
}

// Write writes a file of dir.
func Write(t testing.TB, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Read returns a file of dir.
func Read(t testing.TB, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // a file of the test's own
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Equal fails the test where two byte strings differ.
func Equal(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %x, want %x", what, got, want)
	}
}
