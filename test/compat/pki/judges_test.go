package pki

import (
	"context"
	"encoding/pem"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// judge is a program of somebody's that verifies a chain with the CRLs of
// its authorities. It returns an error, and what the program said, for a chain
// that it refuses.
type judge struct {
	tool compat.Tool
	// postQuantum says that it knows ML-DSA.
	postQuantum bool
	// whole says that it looks at CRLs and constraints.
	whole  bool
	verify func(t *testing.T, chain []string, crls string) (string, error)
}

var judges = sync.OnceValue(func() []judge {
	ctx := context.Background()
	openssl := compat.FindTool(ctx, "openssl", "openssl", "version")
	return []judge{
		{openssl, !openssl.Older(3, 5), true, byOpenSSL},
		{compat.FindTool(ctx, "certtool", "certtool", "--version"), false, true, byGnuTLS},
		{compat.FindTool(ctx, "java", "java", "--source", "17", "--version"), false, true, byJava},
		{compat.FindTool(ctx, "cryptography", "python3", "-c",
			"from cryptography.hazmat.primitives.asymmetric import mldsa; import cryptography; print(cryptography.__version__)"), true, false, byPython},
	}
})

// accepted has every judge that can accept the chain.
func accepted(t *testing.T, chain []string, crls string, postQuantum bool) {
	t.Helper()
	for _, j := range judges() {
		if postQuantum && !j.postQuantum {
			continue
		}
		t.Run(j.tool.Name, func(t *testing.T) {
			j.need(t)
			if out, err := j.verify(t, chain, crls); err != nil {
				t.Errorf("refused: %v\n%s", err, out)
			}
		})
	}
}

// refused has every judge that looks refuse the chain, with one of the words.
func refused(t *testing.T, chain []string, crls string, words ...string) {
	t.Helper()
	for _, j := range judges() {
		if !j.whole {
			continue
		}
		t.Run(j.tool.Name, func(t *testing.T) {
			j.need(t)
			out, err := j.verify(t, chain, crls)
			if err == nil {
				t.Fatalf("accepted:\n%s", out)
			}
			said := strings.ToLower(out)
			for _, word := range words {
				if strings.Contains(said, word) {
					return
				}
			}
			t.Errorf("refused without a word of %q:\n%s", words, out)
		})
	}
}

// need skips a judge that is absent.
func (j *judge) need(t *testing.T) {
	t.Helper()
	if j.tool.Version == "" {
		t.Skipf("%s is not installed", j.tool.Name)
	}
}

func command(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

func byOpenSSL(t *testing.T, chain []string, crls string) (string, error) {
	t.Helper()
	args := []string{"verify", "-x509_strict", "-policy_check", "-CAfile", file(t, "root.pem", chain[len(chain)-1])}
	if crls != "" {
		args = append(args, "-crl_check_all", "-CRLfile", file(t, "crls.pem", crls))
	}
	if len(chain) > 2 {
		args = append(args, "-untrusted", file(t, "untrusted.pem", join(chain[1:len(chain)-1])))
	}
	return command(t, "openssl", append(args, file(t, "leaf.pem", chain[0]))...)
}

func byGnuTLS(t *testing.T, chain []string, crls string) (string, error) {
	t.Helper()
	args := []string{"--verify", "--load-ca-certificate", file(t, "root.pem", chain[len(chain)-1]), "--infile", file(t, "chain.pem", join(chain))}
	if crls != "" {
		args = append(args, "--load-crl", file(t, "crls.pem", crls))
	}
	return command(t, "certtool", args...)
}

func byJava(t *testing.T, chain []string, crls string) (string, error) {
	t.Helper()
	args := []string{"testdata/Validate.java", file(t, "root.pem", chain[len(chain)-1]), file(t, "crls.pem", crls)}
	for _, c := range chain[:len(chain)-1] {
		args = append(args, file(t, "certificate.pem", c))
	}
	return command(t, "java", args...)
}

func byPython(t *testing.T, chain []string, _ string) (string, error) {
	t.Helper()
	args := []string{"testdata/validate.py"}
	for _, c := range chain {
		args = append(args, file(t, "certificate.pem", c))
	}
	return command(t, "python3", args...)
}

// zlintErrors returns the errors that zlint finds in a certificate by the
// RFCs. The rules of browsers are for public authorities.
func zlintErrors(t *testing.T, der []byte) []string {
	t.Helper()
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC8813},
		// They look names up in the list of public suffixes, which private names do not have.
		ExcludeNames: []string{"e_rfc_dnsname_hyphen_in_sld", "e_rfc_dnsname_underscore_in_sld"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := zx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for name, result := range zlint.LintCertificateEx(c, registry).Results {
		if result.Status == lint.Error || result.Status == lint.Fatal {
			found = append(found, name+": "+result.Details)
		}
	}
	return found
}

// crlOf fetches the CRL that a certificate names, in PEM, "" where it names none.
func crlOf(t *testing.T, text string) string {
	t.Helper()
	points := certificate(t, text).CRLDistributionPoints
	if len(points) == 0 {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: fetch(t, points[0])}))
}

// crlsOf fetches the CRLs for all of a chain but its root.
func crlsOf(t *testing.T, chain []string) string {
	t.Helper()
	var text strings.Builder
	for _, c := range chain[:len(chain)-1] {
		text.WriteString(crlOf(t, c))
	}
	if text.String() == "" {
		t.Fatal("no certificate of the chain names a CRL")
	}
	return text.String()
}
