package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/client"
)

const host = "web.example.com"

// keys makes the keys of the authorities through the AWS API.
func (d *demo) keys(ctx context.Context) error {
	if err := d.step("Two keys through the AWS API, which never leave"); err != nil {
		return err
	}
	for _, k := range []struct{ spec, about, alias string }{
		{"ECC_NIST_P384", "Key of the root CA", "alias/root-ca"},
		{"RSA_2048", "Key of the issuing CA", "alias/issuing-ca"},
	} {
		answer, err := d.aws(ctx, "CreateKey",
			[]string{"create-key", "--key-usage", "SIGN_VERIFY", "--key-spec", k.spec, "--description", k.about},
			map[string]string{"KeyUsage": "SIGN_VERIFY", "KeySpec": k.spec, "Description": k.about})
		if err != nil {
			return err
		}
		var made struct {
			KeyMetadata struct {
				ID       string `json:"KeyId"`
				ARN      string `json:"Arn"`
				KeyState string
			}
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return fmt.Errorf("reading the answer to CreateKey: %w", err)
		}
		if err := d.print("%s (%s)\n", made.KeyMetadata.ARN, made.KeyMetadata.KeyState); err != nil {
			return err
		}
		id := made.KeyMetadata.ID
		_, err = d.aws(ctx, "CreateAlias", []string{"create-alias", "--alias-name", k.alias, "--target-key-id", id},
			map[string]string{"AliasName": k.alias, "TargetKeyId": id})
		if err != nil {
			return err
		}
	}
	return nil
}

// authorities makes a root and an issuing CA, and keeps the root's certificate.
func (d *demo) authorities(ctx context.Context, root string) error {
	if err := d.step("A root CA and an issuing CA on these keys"); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"ca", "create", "--name", "root", "--key", "alias/root-ca", "--cn", "Example Root CA", "--org", "Example"},
		{"ca", "create", "--name", "issuing", "--parent", "root", "--key", "alias/issuing-ca", "--cn", "Example Issuing CA", "--org", "Example"},
		{"ca", "chain", "root", "--out", root},
	} {
		if _, err := d.holdfast(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// certificate issues the web server's certificate, for a key that Holdfast
// makes and keeps, and returns its serial number.
func (d *demo) certificate(ctx context.Context, path string) (string, error) {
	if err := d.step("A certificate for " + host + ", its key made and kept in Holdfast"); err != nil {
		return "", err
	}
	if _, err := d.holdfast(ctx, "cert", "issue", "--ca", "issuing", "--profile", "tls-server", "--dns", host,
		"--new-key", "ECC_NIST_P256", "--key-alias", "web", "--out", path); err != nil {
		return "", err
	}
	chain, err := certificates(path)
	if err != nil {
		return "", err
	}
	serial := hex.EncodeToString(chain[0].SerialNumber.Bytes())
	return serial, d.print("%s, serial %s, until %s, issued by %s\n",
		chain[0].DNSNames[0], serial, chain[0].NotAfter.Format("2006-01-02"), chain[0].Issuer.CommonName)
}

// visit serves a page with the certificate, signing each handshake in
// Holdfast, and fetches it as a visitor who trusts only the root.
func (d *demo) visit(ctx context.Context, root, leaf string) error {
	if err := d.step("A TLS web server presents it; each handshake is signed in Holdfast"); err != nil {
		return err
	}
	address, stop, err := d.webServer(ctx, leaf)
	if err != nil {
		return err
	}
	trusted, err := certificates(root)
	if err != nil {
		return errors.Join(err, stop())
	}
	if err := d.print("$ curl --tlsv1.3 --cacert root.pem --connect-to %s:443:%s https://%s/\n", host, address, host); err != nil {
		return errors.Join(err, stop())
	}
	pool := x509.NewCertPool()
	pool.AddCert(trusted[len(trusted)-1])
	return errors.Join(d.fetch(ctx, address, pool), stop())
}

// webServer starts the web server on a free port of loopback.
func (d *demo) webServer(ctx context.Context, leaf string) (address string, stop func() error, err error) {
	chain, err := certificates(leaf)
	if err != nil {
		return "", nil, err
	}
	c, err := client.New(client.Config{
		Address: d.env["HOLDFAST_ADDR"], CACert: d.env["HOLDFAST_CACERT"],
		AccessKeyID: d.env["HOLDFAST_ACCESS_KEY_ID"], SecretAccessKey: d.env["HOLDFAST_SECRET_ACCESS_KEY"],
	})
	if err != nil {
		return "", nil, err
	}
	signer, err := c.Signer(ctx, "alias/web")
	if err != nil {
		return "", nil, err
	}
	presented := tls.Certificate{PrivateKey: signer, Leaf: chain[0]}
	for _, link := range chain {
		presented.Certificate = append(presented.Certificate, link.Raw)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{presented}, MinVersion: tls.VersionTLS13})
	if err != nil {
		return "", nil, err
	}
	web := hello()
	served := make(chan error, 1)
	go func() { served <- web.Serve(l) }()
	return l.Addr().String(), func() error {
		err := web.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	}, nil
}

// hello returns the web server of the site.
func hello() *http.Server {
	return &http.Server{ReadHeaderTimeout: idle, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Hello from "+host+"\n") // the visitor sees if it fails
	})}
}

// fetch gets the page over TLS 1.3.
func (d *demo) fetch(ctx context.Context, address string, trusted *x509.CertPool) error {
	visitor := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS13},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
	defer visitor.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return err
	}
	resp, err := visitor.Do(req)
	if err != nil {
		return fmt.Errorf("visiting %s: %w", host, err)
	}
	page, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	return d.print("%s(%s, %s, %d certificates to the root)\n", page, tls.VersionName(resp.TLS.Version),
		tls.CipherSuiteName(resp.TLS.CipherSuite), len(resp.TLS.VerifiedChains[0]))
}

// revoke revokes the certificate and looks for it in the published CRL.
func (d *demo) revoke(ctx context.Context, serial string) error {
	if err := d.step("Revocation, seen in the CRL"); err != nil {
		return err
	}
	if _, err := d.holdfast(ctx, "cert", "revoke", serial, "--ca", "issuing", "--reason", "superseded", "--yes"); err != nil {
		return err
	}
	list, err := d.holdfast(ctx, "ca", "crl", "issuing")
	if err != nil {
		return err
	}
	issuing, err := d.holdfast(ctx, "ca", "chain", "issuing")
	if err != nil {
		return err
	}
	issuers, err := parse([]byte(issuing))
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(list))
	if block == nil {
		return errors.New("the CRL is not PEM")
	}
	crl, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		return err
	}
	if err := crl.CheckSignatureFrom(issuers[0]); err != nil {
		return fmt.Errorf("the CRL's signature: %w", err)
	}
	for _, r := range crl.RevokedCertificateEntries {
		if n, ok := new(big.Int).SetString(serial, 16); ok && r.SerialNumber.Cmp(n) == 0 {
			return d.print("CRL number %d, signed by %s, has serial %s, reason %d\n", crl.Number, issuers[0].Subject.CommonName, serial, r.ReasonCode)
		}
	}
	return errors.New("the CRL does not have the revoked certificate")
}

// audit verifies the log and shows who used the web server's key.
func (d *demo) audit(ctx context.Context) error {
	if err := d.step("The audit log: complete, unchanged, and it knows each signature"); err != nil {
		return err
	}
	if _, err := d.holdfast(ctx, "audit", "verify", "--dir", d.dir); err != nil {
		return err
	}
	_, err := d.holdfast(ctx, "audit", "search", "--action", "key:Sign", "--dir", d.dir)
	return err
}

// certificates reads a PEM file.
func certificates(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the demo's own file
	if err != nil {
		return nil, err
	}
	return parse(text)
}

// parse reads PEM certificates; there is at least one.
func parse(text []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("no certificate in " + strings.TrimSpace(string(text)))
	}
	return chain, nil
}
