package place

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// harmless are those of the parameters that a URI may have that is somebody
// else's: they name no file, no host and no credential.
var harmless = map[string][]string{
	SchemeAWS:      {"region"},
	SchemeAzure:    {"hsm"},
	SchemeGoogle:   {"protection"},
	SchemeVault:    {"mount", "namespace", "version"},
	SchemeHoldfast: {"region"},
	SchemeFile:     {"spec"},
}

// vaults are the domains of Azure's vaults and Managed HSMs, in all its clouds.
var vaults = []string{
	".vault.azure.net", ".managedhsm.azure.net", ".vault.azure.cn", ".managedhsm.azure.cn",
	".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net",
}

// CheckForeign refuses (PermissionDenied) a URI with which somebody else would
// have this program load a library, read a file, or send a credential to a host
// of his choice, as that in the header of a file.
func CheckForeign(u *URI) error {
	for name := range u.Query {
		if !slices.Contains(harmless[u.Scheme], name) {
			return foreign("the key is to be opened with " + strconv.Quote(name))
		}
	}
	switch {
	case u.Scheme == SchemeAWS && u.Host != "":
		return foreign("the key is at " + u.Host)
	case u.Scheme == SchemeAzure && !slices.ContainsFunc(vaults, func(domain string) bool { return strings.HasSuffix(u.Host, domain) }):
		return foreign("the key is at " + u.Host + ", which is no vault of Azure's")
	case u.token != nil && len(u.token.PIN) > 0:
		return foreign("the key is to be opened with a PIN")
	}
	return nil
}

// foreign says what somebody else's URI may not say.
func foreign(what string) error {
	return fault.New(fault.PermissionDenied, "a URI that is somebody else's says that %s", what)
}
