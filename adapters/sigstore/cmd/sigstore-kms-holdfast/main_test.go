package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin"
	"github.com/sigstore/sigstore/pkg/signature/kms/cliplugin/common"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/holdfast-kms/holdfast/test/compat"
)

const name = "sigstore-kms-holdfast"

// TestMain is the plug-in itself when the tests' binary is started under its
// name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == name {
		main()
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // TestMain ends the process
}

// install puts the plug-in on the PATH.
func install(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// TestPlugin has sigstore's library start the plug-in, as cosign does.
func TestPlugin(t *testing.T) {
	install(t)
	compat.Use(t)
	for _, test := range []struct {
		spec, ref string
		hash      crypto.Hash
	}{
		{"p-256", "holdfast:///alias/release", crypto.SHA256},
		{"p-384", "holdfast://?uri=" + url.QueryEscape("file:"+filepath.Join(t.TempDir(), "wide.pem")), crypto.SHA384},
	} {
		t.Run(test.spec, func(t *testing.T) { try(t, test.ref, test.spec, test.hash) })
	}
}

func try(t *testing.T, ref, spec string, hash crypto.Hash) {
	sv, err := cliplugin.LoadSignerVerifier(t.Context(), ref, hash)
	if err != nil {
		t.Fatal(err)
	}
	if sv.DefaultAlgorithm() != "p-256" || !slices.Contains(sv.SupportedAlgorithms(), spec) {
		t.Errorf("the algorithms are %v and %v", sv.DefaultAlgorithm(), sv.SupportedAlgorithms())
	}
	if _, err := sv.SignMessage(strings.NewReader("m")); err == nil || !strings.Contains(err.Error(), "opening") {
		t.Errorf("a key that is not there: %v", err)
	}
	public, err := sv.CreateKey(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := sv.SignMessage(strings.NewReader("an artifact"), options.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	judge, err := signature.LoadVerifier(public, hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.VerifySignature(bytes.NewReader(sig), strings.NewReader("an artifact")); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("an artifact"), options.WithRemoteVerification(true)); err != nil {
		t.Error(err)
	}
	if err := sv.VerifySignature(bytes.NewReader(sig), strings.NewReader("another")); err == nil {
		t.Error("the signature is taken for another message")
	}
	signer, _, err := sv.CryptoSigner(t.Context(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if csr, err := x509.ParseCertificateRequest(der); err != nil || csr.CheckSignature() != nil {
		t.Errorf("the request is wrong: %v", err)
	}
}

// TestCalls has calls that a program of sigstore's does not make. Each gets an
// answer that says what is wrong.
func TestCalls(t *testing.T) {
	const init = `"initOptions": {"protocolVersion": "v1", "keyResourceID": "/alias/a", "hashFunc": 5, "rpcOptions": {}}`
	for _, test := range []struct{ args, want string }{
		{"", "not those of the protocol"},
		{"v2|{}", "not those of the protocol"},
		{"v1", "not those of the protocol"},
		{"v1|nonsense", "reading the call"},
		{"v1|{}", "no initOptions"},
		{"v1|{" + init + "}", "no initOptions, or no methodName"},
		{`v1|{"initOptions": {"protocolVersion": "v9"}, "methodName": "publicKey"}`, `"v9" is not supported`},
		{"v1|{" + init + `, "methodName": "createKey"}`, "lacks the arguments"},
		{"v1|{" + init + `, "methodName": "publicKey", "publicKey": {}}`, "lacks the arguments"},
		{"v1|{" + init + `, "methodName": "signMessage", "signMessage": {}}`, "lacks the arguments"},
		{"v1|{" + init + `, "methodName": "verifySignature", "verifySignature": {}}`, "lacks the arguments"},
		{"v1|{" + init + `, "methodName": "exportKey"}`, "unsupported method"},
		{`v1|{"initOptions": {"protocolVersion": "v1", "keyResourceID": "?uri=ftp:a"}, "methodName": "defaultAlgorithm"}`, "not known"},
		{`v1|{"initOptions": {"protocolVersion": "v1", "keyResourceID": "/a", "rpcOptions": {"keyVersion": "2"}}, "methodName": "defaultAlgorithm"}`, "KeyVersion"},
	} {
		args := append([]string{name}, strings.FieldsFunc(test.args, func(r rune) bool { return r == '|' })...)
		var out bytes.Buffer
		if err := run(t.Context(), args, strings.NewReader(""), &out); err == nil {
			t.Errorf("%s: no failure", test.args)
		}
		var got common.PluginResp
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || !strings.Contains(got.ErrorMessage, test.want) {
			t.Errorf("%s: the answer is %s, not %q", test.args, out.String(), test.want)
		}
	}
}
