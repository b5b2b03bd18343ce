package azurekvtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// certificate is one of the vault's, whose key is the current one of its name.
type certificate struct {
	name string
	der  []byte
}

// AddCertificate puts a self-signed certificate with an RSA key into the vault,
// as its owner would, and returns its URL. The key is there under the same name.
func (s *Server) AddCertificate(tb testing.TB, name string) string {
	tb.Helper()
	s.AddKey(tb, name, azure.CreateKey{Type: azure.RSA, Size: 2048})
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v := s.find(name, "")
	v.managed = true
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	k, ok := v.private.(*rsa.PrivateKey)
	if !ok {
		tb.Fatal("azurekvtest: not an RSA key")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		tb.Fatalf("azurekvtest: adding certificate %s: %v", name, err)
	}
	s.certs[strings.ToLower(name)] = &certificate{name, der}
	return s.URL() + "/certificates/" + name
}

// getCertificate shows a certificate, whatever the version.
func (s *Server) getCertificate(w http.ResponseWriter, r *http.Request, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.certs[strings.ToLower(name)]
	o, v := s.find(name, "")
	if c == nil || v == nil {
		fail(w, http.StatusNotFound, azure.CertificateNotFound, "", "A certificate with (name/id) "+name+" was not found in this key vault.")
		return
	}
	base := "https://" + r.Host
	answer(w, http.StatusOK, map[string]any{
		"id": base + "/certificates/" + c.name + "/" + v.id, "kid": s.kid(r, o, v), "sid": base + "/secrets/" + c.name + "/" + v.id,
		"cer": base64.StdEncoding.EncodeToString(c.der), "attributes": v.attributes(),
	})
}
