//go:build !nogcp

package providers

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// openGCPKMS opens an engine over Google Cloud KMS.
func openGCPKMS(ctx context.Context, o *opening) (Engine, error) {
	c := o.config.GCPKMS
	roots, err := contentOf("ca_certificate", c.CACertificate)
	if err != nil {
		return nil, err
	}
	options := gcpkms.Options{
		Settings: o.settings, KeyRing: c.KeyRing, Level: strings.ToUpper(c.Protection), DestroyAfter: c.DestroyAfter, Endpoint: c.Endpoint,
		CA: roots, CredentialsFile: c.CredentialsFile, Anonymous: c.Anonymous, QuotaProject: c.QuotaProject,
	}
	if options.RSASigns, err = algorithm("rsa_signs", c.RSASigns); err != nil {
		return nil, err
	}
	if options.RSADecrypts, err = algorithm("rsa_decrypts", c.RSADecrypts); err != nil {
		return nil, err
	}
	return opened(gcpkms.New(ctx, o.wrapper, options))
}

// algorithm reads an algorithm in AWS's spelling or in the field's; none for "".
func algorithm(setting, name string) (alg.Algorithm, error) {
	if a, ok := aws.ParseAlgorithm(name); ok {
		return a, nil
	}
	if a := alg.ParseAlgorithm(name); a != alg.NoAlgorithm || name == "" {
		return a, nil
	}
	return alg.NoAlgorithm, fault.New(fault.InvalidArgument, "%s: the algorithm %q is not known", setting, name)
}
