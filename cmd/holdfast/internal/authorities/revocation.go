package authorities

import (
	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// revocationFlags say how an authority publishes revocations.
type revocationFlags struct{ given client.Revocation }

// add adds the flags. Those that are left alone change nothing.
func (f *revocationFlags) add(cmd *cobra.Command) {
	flags, crl, ocsp := cmd.Flags(), &f.given.CRL, &f.given.OCSP
	flags.BoolVar(&crl.Enabled, "crl", true, "make CRLs")
	flags.IntVar(&crl.ValidityDays, "crl-days", 0, "how long a CRL is good for; 0 for 7 days")
	flags.IntVar(&crl.Shards, "crl-shards", 0, "how many CRLs share the certificates; 0 for one complete CRL")
	flags.BoolVar(&crl.Delta, "crl-delta", false, "make delta CRLs between the complete ones")
	flags.BoolVar(&crl.OmitDistributionPoint, "crl-omit-address", false, "leave the CRL's address out of certificates")
	flags.StringVar(&crl.CustomName, "crl-name", "", "the host, perhaps with a path, of the CRL's address in certificates")
	flags.StringVar(&crl.Path, "crl-path", "", "the folder of the CRL's address in certificates")
	flags.StringVar(&crl.Bucket, "crl-bucket", "", "a bucket into which CRLs are put as well")
	flags.BoolVar(&ocsp.Enabled, "ocsp", true, "answer OCSP requests")
	flags.StringVar(&ocsp.CustomName, "ocsp-name", "", "the host, perhaps with a path, of the responder's address in certificates")
}

// over puts the flags that were given over the settings of an authority. It
// returns nil where none was given.
func (f *revocationFlags) over(cmd *cobra.Command, r client.Revocation) *client.Revocation {
	given, out := &f.given, &r
	put := map[string]func(){
		"crl":              func() { out.CRL.Enabled = given.CRL.Enabled },
		"crl-days":         func() { out.CRL.ValidityDays = given.CRL.ValidityDays },
		"crl-shards":       func() { out.CRL.Shards = given.CRL.Shards },
		"crl-delta":        func() { out.CRL.Delta = given.CRL.Delta },
		"crl-omit-address": func() { out.CRL.OmitDistributionPoint = given.CRL.OmitDistributionPoint },
		"crl-name":         func() { out.CRL.CustomName = given.CRL.CustomName },
		"crl-path":         func() { out.CRL.Path = given.CRL.Path },
		"crl-bucket":       func() { out.CRL.Bucket = given.CRL.Bucket },
		"ocsp":             func() { out.OCSP.Enabled = given.OCSP.Enabled },
		"ocsp-name":        func() { out.OCSP.CustomName = given.OCSP.CustomName },
	}
	changed := false
	for name, act := range put {
		if cmd.Flags().Changed(name) {
			act()
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return out
}
