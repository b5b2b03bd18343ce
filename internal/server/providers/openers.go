package providers

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openers returns what opens each kind of service.
func openers() map[string]opener {
	return map[string]opener{"awskms": openAWSKMS, "azurekv": openAzureKV, "gcpkms": openGCPKMS, "vault": openVault}
}

// opened returns an engine as what it is here, and nil for one that failed.
func opened[E Engine](e E, err error) (Engine, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// maxFile is the longest file of a credential or of certificates, in bytes.
const maxFile = 1 << 20

// contentOf reads a file that a setting names, nil from none.
func contentOf(setting, path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the configuration's own
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Op: "providers", Public: setting + ": " + err.Error(), Err: err}
	}
	return text, nil
}

// secretIn reads a credential from a file, "" from none.
func secretIn(setting, path string) (string, error) {
	text, err := contentOf(setting, path)
	return string(bytes.TrimSpace(text)), err
}

// pool reads the certificates to trust from a file, nil from none.
func pool(path string) (*x509.CertPool, error) {
	text, err := contentOf("ca_certificate", path)
	if err != nil || text == nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.InvalidArgument, "ca_certificate: %s has no certificate in PEM", path)
	}
	return roots, nil
}

// specs reads specs in AWS's spelling or in the field's.
func specs(names []string) (all []alg.Spec, err error) {
	for _, name := range names {
		spec, ok := aws.ParseSpec(strings.ToUpper(name))
		if !ok {
			spec = alg.ParseSpec(name)
		}
		if spec == alg.NoSpec {
			return nil, fault.New(fault.InvalidArgument, "without: the key spec %q is not known", name)
		}
		all = append(all, spec)
	}
	return all, nil
}
