package server

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
)

// pca sends a request of AWS Private CA and returns its members.
func (r *running) pca(operation string, in map[string]any) map[string]string {
	r.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		r.t.Fatal(err)
	}
	status, text := r.kms("ACMPrivateCA."+operation, string(body))
	if status != http.StatusOK {
		r.t.Fatalf("%s: %d %s", operation, status, text)
	}
	out := map[string]string{}
	if text == "" {
		return out
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		r.t.Fatalf("%s answered %s: %v", operation, text, err)
	}
	return out
}

func TestListsOfAnAuthorityGoToItsBucket(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, &Dev{}, func(c *config.Config) { c.Lifecycle.Interval = 50 * time.Millisecond })
	arn := r.pca("CreateCertificateAuthority", map[string]any{
		"CertificateAuthorityType": "ROOT",
		"CertificateAuthorityConfiguration": map[string]any{
			"KeyAlgorithm": "EC_prime256v1", "SigningAlgorithm": "SHA256WITHECDSA", "Subject": map[string]string{"CommonName": "Bucket Root"},
		},
		"RevocationConfiguration": map[string]any{
			"CrlConfiguration": map[string]any{"Enabled": true, "ExpirationInDays": 7, "S3BucketName": "lists-of-mine"},
		},
	})["CertificateAuthorityArn"]
	authority := map[string]any{"CertificateAuthorityArn": arn}
	csr := r.pca("GetCertificateAuthorityCsr", authority)["Csr"]
	certificate := r.pca("IssueCertificate", map[string]any{
		"CertificateAuthorityArn": arn, "Csr": base64.StdEncoding.EncodeToString([]byte(csr)), "SigningAlgorithm": "SHA256WITHECDSA",
		"TemplateArn": "arn:aws:acm-pca:::template/RootCACertificate/V1", "Validity": map[string]any{"Value": 1, "Type": "YEARS"},
	})["CertificateArn"]
	root := r.pca("GetCertificate", map[string]any{"CertificateAuthorityArn": arn, "CertificateArn": certificate})["Certificate"]
	r.pca("ImportCertificateAuthorityCertificate", map[string]any{
		"CertificateAuthorityArn": arn, "Certificate": base64.StdEncoding.EncodeToString([]byte(root)),
	})
	name := filepath.Join(dir, "buckets", "lists-of-mine", "crl", filepath.Base(arn)+".crl")
	var der []byte
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if der, err = os.ReadFile(name); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no list in the bucket: %v", err)
		}
	}
	if list, err := x509.ParseRevocationList(der); err != nil || list.Issuer.CommonName != "Bucket Root" {
		t.Errorf("the file in the bucket is no list of the authority: %v", err)
	}
}
