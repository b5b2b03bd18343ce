package authority

import (
	"regexp"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Limits of RevocationConfig.
const (
	MaxCRLDays   = 5000 // between a CRL and its nextUpdate
	MaxCRLShards = 1000
	// maxConfigText is the longest name, path or bucket in bytes.
	maxConfigText = 253
)

// RevocationConfig says how an authority publishes which of its certificates
// are revoked. Package status obeys it.
type RevocationConfig struct {
	CRL  CRLConfig  `json:"crl,omitzero"`
	OCSP OCSPConfig `json:"ocsp,omitzero"`
}

// CRLConfig says what CRLs an authority makes, and where they go.
type CRLConfig struct {
	Enabled bool `json:"enabled,omitempty"`
	// ValidityDays is the time between a CRL and its nextUpdate, 0 for the
	// default of 7.
	ValidityDays int `json:"days,omitempty"`
	// Shards is how many CRLs share the certificates among them; 0 makes one
	// complete CRL.
	Shards int `json:"shards,omitempty"`
	// Delta asks for delta CRLs between the complete ones (RFC 5280 section
	// 5.2.4).
	Delta bool `json:"delta,omitempty"`
	// OmitDistributionPoint leaves the distribution point extension out of
	// certificates.
	OmitDistributionPoint bool `json:"omit_distribution_point,omitempty"`
	// CustomName stands in certificates for the host of the distribution
	// point, Path for the folder of the files.
	CustomName string `json:"custom_name,omitempty"`
	Path       string `json:"path,omitempty"`
	// Bucket is where CRLs are put as files beside being served, PublicACL the
	// access that a bucket that knows of such is told to give to them.
	Bucket    string `json:"bucket,omitempty"`
	PublicACL string `json:"public_acl,omitempty"`
}

// OCSPConfig says whether an authority answers OCSP requests.
type OCSPConfig struct {
	Enabled bool `json:"enabled,omitempty"`
	// CustomName stands in certificates for the host of the responder.
	CustomName string `json:"custom_name,omitempty"`
}

// DefaultRevocation is the configuration of an authority that was made
// without one: one complete CRL, and OCSP.
func DefaultRevocation() RevocationConfig {
	return RevocationConfig{CRL: CRLConfig{Enabled: true}, OCSP: OCSPConfig{Enabled: true}}
}

// Check returns an InvalidArgument error for what cannot be a configuration.
func (c *RevocationConfig) Check() error {
	switch {
	case c.CRL.ValidityDays < 0 || c.CRL.ValidityDays > MaxCRLDays:
		return fault.New(fault.InvalidArgument, "a CRL is valid for 1 to %d days", MaxCRLDays)
	case c.CRL.Shards < 0 || c.CRL.Shards > MaxCRLShards:
		return fault.New(fault.InvalidArgument, "an authority has at most %d CRLs", MaxCRLShards)
	}
	for what, text := range map[string]string{
		"the custom name of the CRL": c.CRL.CustomName, "the custom name of the OCSP responder": c.OCSP.CustomName,
		"the path of the CRL": c.CRL.Path, "the bucket": c.CRL.Bucket, "the access to the CRL": c.CRL.PublicACL,
	} {
		if len(text) > maxConfigText || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fault.New(fault.InvalidArgument, "%s has at most %d printable ASCII characters without spaces", what, maxConfigText)
		}
	}
	for _, name := range []string{c.CRL.CustomName, c.OCSP.CustomName} {
		if strings.Contains(name, "://") {
			return fault.New(fault.InvalidArgument, "a custom name is a host, perhaps with a path, and has no scheme before it")
		}
	}
	return c.CRL.checkPlace()
}

// checkPlace returns an InvalidArgument error for a bucket and a path under
// which internal/bucket would keep nothing: lists would fail to get there for
// ever, with nobody but the log to tell.
func (c *CRLConfig) checkPlace() error {
	if c.Bucket != "" && (!regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`).MatchString(c.Bucket) || strings.Contains(c.Bucket, "..")) {
		return fault.New(fault.InvalidArgument, "%q is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens", c.Bucket)
	}
	folder := strings.Trim(c.Path, "/")
	if folder != "" && !regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`).MatchString(folder) {
		return fault.New(fault.InvalidArgument, "the path of the CRL has letters, digits and . _ ~ - between slashes, and no part begins with a dot: not %q", c.Path)
	}
	return nil
}
