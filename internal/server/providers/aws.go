//go:build !noaws

package providers

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
)

// openAWSKMS opens an engine over AWS KMS.
func openAWSKMS(ctx context.Context, o *opening) (Engine, error) {
	c := o.config.AWSKMS
	roots, err := pool(c.CACertificate)
	if err != nil {
		return nil, err
	}
	without, err := specs(c.Without)
	if err != nil {
		return nil, err
	}
	options := awskms.Options{
		Settings: o.settings, Region: c.Region, Profile: c.Profile, Endpoint: c.Endpoint, STSEndpoint: c.STSEndpoint,
		Role: c.Role, ExternalID: c.ExternalID, Session: c.Session, WebIdentityTokenFile: c.WebIdentityTokenFile,
		CA: roots, DeletionDays: c.DeletionDays, Without: without,
	}
	if c.AccessKeyID != "" {
		secret, err := secretIn("secret_access_key_file", c.SecretAccessKeyFile)
		if err != nil {
			return nil, err
		}
		options.Credentials = &awskms.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: secret}
	}
	return opened(awskms.New(ctx, o.wrapper, options))
}
