package cms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log"
	"math/big"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/cms"
)

// A release is signed, detached, and verified. The key is any crypto.Signer:
// one of package holdfast stays in its cloud or token.
func Example() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "releases"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}

	signature, err := cms.SignDetached(strings.NewReader("a long file"), &cms.Signer{Key: key, Certificate: certificate})
	if err != nil {
		log.Fatal(err)
	}

	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	d, err := cms.Parse(signature)
	if err != nil {
		log.Fatal(err)
	}
	by, err := d.VerifyDetached(strings.NewReader("a long file"), cms.Options{Roots: roots})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed by", by[0].Certificate.Subject)

	_, err = d.VerifyDetached(bytes.NewReader([]byte("another file")), cms.Options{Roots: roots})
	fmt.Println(err)
	// Output:
	// signed by CN=releases
	// the message does not verify: the content is not what was signed
}
