package holdfast_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast"
)

// folder returns a folder for an example's keys, and what removes it.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "holdfast-example-")
	if err != nil {
		log.Panic(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) } // what is left is the system's to clear
}

// made makes a key in a file of a folder.
func made(dir, name, spec string) *holdfast.Key {
	k, err := holdfast.Create(context.Background(), "file:"+filepath.Join(dir, name), spec)
	if err != nil {
		log.Panic(err)
	}
	return k
}

// A digest is signed by whatever key the URI names, and verified by Go.
func ExampleOpen() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	uri := made(dir, "release.pem", "p-256").URI() // or awskms:///alias/release?region=eu-west-1

	key, err := holdfast.Open(ctx, uri)
	if err != nil {
		log.Panic(err)
	}
	defer key.Close()
	digest := sha256.Sum256([]byte("the release"))
	signature, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(key.Spec(), ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature))
	// Output: p-256 true
}

func ExampleCreate() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	uri := "file:" + filepath.Join(dir, "web.pem") // or gcpkms://projects/…/cryptoKeys/web

	key, err := holdfast.Create(ctx, uri, "ed25519")
	if err != nil {
		log.Panic(err)
	}
	defer key.Close()
	_, err = holdfast.Create(ctx, uri, "ed25519")
	fmt.Println(key.Algorithms(), holdfast.KindOf(err))
	// Output: [ed25519 ed25519ph] already-exists
}

func ExampleList() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	made(dir, "a.pem", "p-256")
	made(dir, "b.pem", "rsa-2048")

	keys, err := holdfast.List(ctx, "file:"+dir) // or azurekms://name.vault.azure.net/
	if err != nil {
		log.Panic(err)
	}
	for _, k := range keys {
		fmt.Println(strings.TrimPrefix(k.URI, "file:"+dir), k.Spec, k.State)
	}
	// Output:
	// /a.pem p-256 usable
	// /b.pem rsa-2048 usable
}

// Several keys of a place share one connection.
func ExampleConnect() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()

	place, err := holdfast.Connect(ctx, "file:"+dir) // or hashivault://?address=https://vault.example.com:8200
	if err != nil {
		log.Panic(err)
	}
	defer place.Close()
	for _, name := range []string{"web", "mail"} {
		key, err := place.Create(ctx, name, "p-384")
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(key.Spec())
	}
	_, err = place.Open(ctx, "ftp")
	fmt.Println(holdfast.KindOf(err))
	// Output:
	// p-384
	// p-384
	// not-found
}

// Places get names of the program's own, and are used by them: which cloud it
// is stands in one line.
func ExampleProviders() {
	ctx := context.Background()
	aws, remove := folder() // stands for awskms:///?region=eu-west-1
	defer remove()
	azure, remove := folder() // stands for azurekms://name.vault.azure.net/
	defer remove()
	made(aws, "release", "rsa-2048")
	made(azure, "release", "p-256")

	providers := holdfast.NewProviders()
	defer providers.Close()
	for name, uri := range map[string]string{"aws": "file:" + aws, "azure": "file:" + azure} {
		place, err := holdfast.Connect(ctx, uri)
		if err != nil {
			log.Panic(err)
		}
		if err := providers.Register(name, place); err != nil {
			log.Panic(err)
		}
	}

	message := []byte("the release")
	for name, algorithm := range map[string]string{"aws": "rsa-pss-sha256", "azure": "ecdsa-sha256"} {
		signature, err := providers.Sign(ctx, name, "release", message, algorithm)
		if err != nil {
			log.Panic(err)
		}
		if err := providers.Verify(ctx, name, "release", message, signature, algorithm); err != nil {
			log.Panic(err)
		}
	}
	_, err := providers.Sign(ctx, "google", "release", message, "")
	fmt.Println(providers.Names(), holdfast.KindOf(err))
	// Output: [aws azure] not-found
}

// A key that is in two places is used in the second one when the first one is
// away.
func ExampleProviders_FailOver() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	made(dir, "release", "ed25519")

	providers := holdfast.NewProviders()
	defer providers.Close()
	for name, uri := range map[string]string{"primary": "file:/nowhere", "secondary": "file:" + dir} {
		place, err := holdfast.Connect(ctx, uri)
		if err != nil {
			log.Panic(err)
		}
		if err := providers.Register(name, place); err != nil {
			log.Panic(err)
		}
	}
	key, err := providers.FailOver(ctx, holdfast.Ref{Provider: "primary", Key: "release"}, holdfast.Ref{Provider: "secondary", Key: "release"})
	if err != nil {
		log.Panic(err)
	}
	signature, err := key.SignWith(ctx, "ed25519", []byte("the release"))
	fmt.Println(len(signature), err)
	// Output: 64 <nil>
}

// Keys that are not the same do not stand in for one another.
func ExampleFailOver() {
	dir, remove := folder()
	defer remove()
	a, b := made(dir, "a", "p-256"), made(dir, "b", "p-256")

	_, err := holdfast.FailOver(a, b)
	fmt.Println(holdfast.KindOf(err))
	// Output: conflict
}

func ExampleCSR() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "web.pem", "p-256")

	der, err := holdfast.CSR(key, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"},
	})
	if err != nil {
		log.Panic(err)
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(request.DNSNames, request.CheckSignature())
	// Output: [web.example.com] <nil>
}

func ExampleSelfSigned() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "root.pem", "p-384")

	der, err := holdfast.SelfSigned(key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Example Root"}, NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	if err != nil {
		log.Panic(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(root.Subject, root.SignatureAlgorithm, root.CheckSignatureFrom(root))
	// Output: CN=Example Root ECDSA-SHA384 <nil>
}

func ExampleSignCertificate() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "root.pem", "p-384")
	der, err := holdfast.SelfSigned(key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Example Root"}, NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		log.Panic(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		log.Panic(err)
	}

	web, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Panic(err)
	}
	der, err = holdfast.SignCertificate(root, key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "web"}, DNSNames: []string{"web.example.com"}, NotAfter: time.Now().AddDate(0, 0, 90),
	}, web.Public())
	if err != nil {
		log.Panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(certificate.Issuer, certificate.CheckSignatureFrom(root))
	// Output: CN=Example Root <nil>
}

// A small secret is encrypted where the key is.
func ExampleKey_AEAD() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "secrets.key", "aes-256")

	aead, err := key.AEAD()
	if err != nil {
		log.Panic(err)
	}
	ciphertext, err := aead.Encrypt([]byte("hunter2"), []byte("database"))
	if err != nil {
		log.Panic(err)
	}
	plaintext, err := aead.Decrypt(ciphertext, []byte("database"))
	_, other := aead.Decrypt(ciphertext, []byte("another use"))
	fmt.Println(string(plaintext), err, holdfast.KindOf(other))
	// Output: hunter2 <nil> bad-ciphertext
}

func ExampleKey_MAC() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "cookies.key", "hmac-256")

	mac, err := key.MAC()
	if err != nil {
		log.Panic(err)
	}
	code, err := mac.ComputeMAC([]byte("user=alice"))
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(mac.VerifyMAC(code, []byte("user=alice")), holdfast.KindOf(mac.VerifyMAC(code, []byte("user=root"))))
	// Output: <nil> bad-signature
}

// Whoever has the public half encrypts, and the key decrypts.
func ExampleKey_Decrypter() {
	dir, remove := folder()
	defer remove()
	key := made(dir, "inbox.pem", "rsa-2048")

	ciphertext, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.Public().(*rsa.PublicKey), []byte("hello"), nil)
	if err != nil {
		log.Panic(err)
	}
	decrypter, err := key.Decrypter()
	if err != nil {
		log.Panic(err)
	}
	plaintext, err := decrypter.Decrypt(nil, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256})
	fmt.Println(string(plaintext), err)
	// Output: hello <nil>
}

// Two keys agree on a secret that neither sends.
func ExampleKey_Agreement() {
	dir, remove := folder()
	defer remove()
	alice, err := made(dir, "alice.pem", "p-256").Agreement()
	if err != nil {
		log.Panic(err)
	}
	bob, err := made(dir, "bob.pem", "p-256").Agreement()
	if err != nil {
		log.Panic(err)
	}

	a, err := alice.ECDH(bob.PublicKey())
	if err != nil {
		log.Panic(err)
	}
	b, err := bob.ECDH(alice.PublicKey())
	fmt.Println(bytes.Equal(a, b), err)
	// Output: true <nil>
}

// A message of any length is hashed here as it is read.
func ExampleKey_SignReader() {
	ctx := context.Background()
	dir, remove := folder()
	defer remove()
	key := made(dir, "release.pem", "rsa-2048")

	signature, err := key.SignReader(ctx, "rsa-pss-sha512", strings.NewReader(strings.Repeat("a long file ", 1<<16)))
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(key.VerifyReader(ctx, "rsa-pss-sha512", strings.NewReader(strings.Repeat("a long file ", 1<<16)), signature))
	// Output: <nil>
}

// What other programs write is read, and written in one way.
func ExampleParseURI() {
	for _, text := range []string{"awskms://alias/release?region=eu-west-1", "cloudkms:projects/p/locations/global/keyRings/r/cryptoKeys/k"} {
		uri, err := holdfast.ParseURI(text)
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(uri)
	}
	// Output:
	// awskms:///alias/release?region=eu-west-1
	// gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/k
}

// A key that the program has by itself is used like all others.
func ExampleNewKey() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Panic(err)
	}
	key, err := holdfast.NewKey("in memory", private)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(key, key.Spec(), key.Algorithms())
	// Output: in memory p-256 [ecdsa-sha256]
}

// Errors say what kind they are, whichever cloud they are of.
func ExampleKindOf() {
	_, err := holdfast.Open(context.Background(), "file:/nowhere/key.pem")
	e, ok := errors.AsType[*holdfast.Error](err)
	fmt.Println(holdfast.KindOf(err), ok, e.Detail)
	// Output: not-found true there is no such file
}
