package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// TestChains issues, for every type of key and every way to sign, a server's
// certificate below a subordinate below a root, and has it judged with the
// CRLs of both.
func TestChains(t *testing.T) {
	w := setup(t)
	for _, k := range kinds() {
		t.Run(string(k.algorithm)+"/"+string(k.key), func(t *testing.T) {
			root := w.authority(t, k, "Root "+string(k.algorithm), nil, "")
			issuer := w.authority(t, k, "Issuing "+string(k.algorithm), root, "SubordinateCACertificate_PathLen0/V1")
			csr, _ := request(t, host("web.example.com"))
			chain := w.issue(t, issuer, csr, "EndEntityCertificate/V1", 30)
			if len(chain) != 3 {
				t.Fatalf("a chain of %d certificates, want 3", len(chain))
			}
			accepted(t, chain, crlsOf(t, chain), k.postQuantum())
			if !k.postQuantum() {
				clean(t, chain)
			}
		})
	}
}

// clean has zlint find no errors in the certificates.
func clean(t *testing.T, chain []string) {
	t.Helper()
	for _, c := range chain {
		for _, found := range zlintErrors(t, blocks(t, c)[0]) {
			t.Errorf("%s: %s", certificate(t, c).Subject, found)
		}
	}
}

// TestMixedChains has authorities of one kind stand above those of another.
func TestMixedChains(t *testing.T) {
	w := setup(t)
	all := map[types.SigningAlgorithm]kind{}
	for _, k := range kinds() {
		all[k.algorithm] = k
	}
	for _, mix := range [][2]types.SigningAlgorithm{
		{types.SigningAlgorithmMlDsa87, types.SigningAlgorithmSha256withecdsa},
		{types.SigningAlgorithmSha512withrsa, types.SigningAlgorithmMlDsa44},
		{types.SigningAlgorithmSha512withrsaPss, types.SigningAlgorithmSha384withecdsa},
		{types.SigningAlgorithmSha384withecdsa, types.SigningAlgorithmSha256withrsa},
	} {
		t.Run(fmt.Sprint(mix[0], " over ", mix[1]), func(t *testing.T) {
			above, below := all[mix[0]], all[mix[1]]
			root := w.authority(t, above, "Mixed root", nil, "")
			issuer := w.authority(t, below, "Mixed issuing", root, "SubordinateCACertificate_PathLen0/V1")
			csr, _ := request(t, host("mixed.example.com"))
			chain := w.issue(t, issuer, csr, "EndEntityCertificate/V1", 30)
			accepted(t, chain, crlsOf(t, chain), above.postQuantum() || below.postQuantum())
		})
	}
}

// TestRevocation has the judges refuse a certificate once it is revoked, and
// an OCSP client say so at once.
func TestRevocation(t *testing.T) {
	w := setup(t)
	k := kind{types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa}
	root := w.authority(t, k, "Revoking root", nil, "")
	issuer := w.authority(t, k, "Revoking issuing", root, "SubordinateCACertificate_PathLen0/V1")
	csr, _ := request(t, host("revoked.example.com"))
	chain := w.issue(t, issuer, csr, "EndEntityCertificate/V1", 30)
	asked(t, chain, "good")
	accepted(t, chain, crlsOf(t, chain), false)

	serial := certificate(t, chain[0]).SerialNumber.Text(16)
	if _, err := w.RevokeCertificate(t.Context(), &acmpca.RevokeCertificateInput{
		CertificateAuthorityArn: &issuer.arn, CertificateSerial: &serial, RevocationReason: types.RevocationReasonKeyCompromise,
	}); err != nil {
		t.Fatal(err)
	}
	asked(t, chain, "revoked")
	t.Run("CRL", func(t *testing.T) {
		crls := crlsOf(t, chain)
		out, err := command(t, "openssl", "crl", "-in", file(t, "leaf.crl", crlOf(t, chain[0])), "-CAfile", file(t, "issuer.pem", chain[1]), "-noout", "-text")
		if err != nil || !strings.Contains(out, "verify OK") || !strings.Contains(out, "Key Compromise") {
			t.Errorf("openssl crl: %v\n%s", err, out)
		}
		refused(t, chain, crls, "revoked")
	})
}

// asked has openssl ask the responder that the certificate names, by POST,
// with and without a nonce, and verify the answer.
func asked(t *testing.T, chain []string, want string) {
	t.Helper()
	leaf := certificate(t, chain[0])
	if len(leaf.OCSPServer) == 0 {
		t.Fatal("the certificate names no OCSP responder")
	}
	for _, nonce := range []string{"-nonce", "-no_nonce"} {
		for _, hash := range []string{"-sha1", "-sha256"} {
			out, err := command(t, "openssl", "ocsp", hash, "-issuer", file(t, "issuer.pem", chain[1]), "-cert", file(t, "leaf.pem", chain[0]),
				"-url", leaf.OCSPServer[0], nonce, "-CAfile", file(t, "ca.pem", join(chain[1:])))
			if err != nil || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, "leaf.pem: "+want) {
				t.Errorf("openssl ocsp %s %s: %v, want %s\n%s", hash, nonce, err, want, out)
			}
		}
	}
}

// TestPathLength has the judges refuse what an authority of path length 0
// lets issue below it, and Holdfast refuse to issue it.
func TestPathLength(t *testing.T) {
	w := setup(t)
	k := kind{types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa}
	root := w.authority(t, k, "Path root", nil, "")
	csr, key := request(t, host("outside-ca"))
	outside := w.issue(t, root, csr, "SubordinateCACertificate_PathLen0/V1", 30)

	t.Run("refused by the judges", func(t *testing.T) {
		below, belowKey := signedBy(t, outside[0], key, "Deeper CA", true)
		leaf, _ := signedBy(t, below, belowKey, "deep.example.com", false)
		refused(t, append([]string{leaf, below}, outside...), "", "path length", "pathlen", "path len", "constraint", "not trusted", "does not chain")
	})
	t.Run("refused by us", func(t *testing.T) {
		inner := w.authority(t, k, "Inner", root, "SubordinateCACertificate_PathLen0/V1")
		csr, _ := request(t, host("deeper"))
		days := int64(10)
		template := "arn:aws:acm-pca:::template/SubordinateCACertificate_PathLen0/V1"
		_, err := w.IssueCertificate(t.Context(), &acmpca.IssueCertificateInput{
			CertificateAuthorityArn: &inner.arn, Csr: []byte(csr), SigningAlgorithm: k.algorithm, TemplateArn: &template,
			Validity: &types.Validity{Type: types.ValidityPeriodTypeDays, Value: &days},
		})
		if err == nil || !strings.Contains(err.Error(), "path length") {
			t.Errorf("an authority of path length 0 issued another: %v", err)
		}
	})
}

// pemOf is a certificate in PEM.
func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestNameConstraints has an authority elsewhere, below one of ours that may
// only speak for example.com, issue a certificate within that and one outside
// it: the judges accept the first and refuse the second, and Holdfast does not
// issue such a one.
func TestNameConstraints(t *testing.T) {
	w := setup(t)
	run := func(args ...string) (string, error) { return w.server.Run(t.Context(), args...) }
	for _, args := range []string{
		"key create --spec ECC_NIST_P256 --alias constrained-root",
		"ca create --name constrained-root --key constrained-root --cn Constrained-Root",
		"key create --spec ECC_NIST_P256 --alias constrained",
		"ca create --name constrained --key constrained --cn Constrained --parent constrained-root --path-length 1 --permitted-dns example.com",
	} {
		if _, err := run(strings.Fields(args)...); err != nil {
			t.Fatal(err)
		}
	}
	csr, key := request(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Elsewhere CA"}}) // Java takes a common name that could be a host for one
	issued, err := run("cert", "issue", "--ca", "constrained", "--profile", "subordinate-ca-0", "--csr", file(t, "outside.csr", csr), "--leaf-only")
	if err != nil {
		t.Fatal(err)
	}
	above, err := run("ca", "chain", "constrained")
	if err != nil {
		t.Fatal(err)
	}
	chain := []string{issued}
	for _, der := range blocks(t, above) {
		chain = append(chain, pemOf(der))
	}
	within, _ := signedBy(t, issued, key, "www.example.com", false)
	outside, _ := signedBy(t, issued, key, "www.example.net", false)
	t.Run("within", func(t *testing.T) { accepted(t, append([]string{within}, chain...), "", false) })
	t.Run("outside", func(t *testing.T) {
		refused(t, append([]string{outside}, chain...), "", "permitted subtree", "constraint", "not trusted", "not permitted")
	})
	t.Run("by us", func(t *testing.T) {
		_, err := run("cert", "issue", "--ca", "constrained", "--dns", "www.example.net", "--new-key", "ECC_NIST_P256")
		if err == nil || !strings.Contains(err.Error(), "constraints") {
			t.Errorf("issued, or refused for something else: %v", err)
		}
	})
}
