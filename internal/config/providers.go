package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// Provider is a key service in which keys can live: one of AWSKMS, AzureKV,
// GCPKMS and Vault says of which kind it is. Credentials are never in the file
// itself: it names files that have them, and without any the service's own usual
// places are looked at (docs/engines.md).
type Provider struct {
	// Name is what keys, commands and the log call the provider: lower-case
	// letters, digits and dashes. No token or group has it too.
	Name string `yaml:"name"`
	// Realms are those that see what is in the service and adopt keys from it: it
	// may be any realm's. All realms may make keys there. Default: the realm
	// 123456789012.
	Realms []string `yaml:"realms"`
	// Timeout is how long an operation may take, with all its attempts. Default:
	// 30s.
	Timeout time.Duration `yaml:"timeout"`
	// Attempt is how long one request may take. Default: 10s.
	Attempt time.Duration `yaml:"attempt"`
	// Retries is how often a request is sent again; -1 means never. Default: 3.
	Retries int `yaml:"retries"`
	// Rate is how many requests a second are sent at most. Default: 0, no limit.
	Rate float64 `yaml:"rate"`

	AWSKMS  *AWSKMS  `yaml:"awskms"`
	AzureKV *AzureKV `yaml:"azurekv"`
	GCPKMS  *GCPKMS  `yaml:"gcpkms"`
	Vault   *Vault   `yaml:"vault"`
}

// AWSKMS is an account and region of AWS KMS, or of what speaks its API.
type AWSKMS struct {
	// Region is where keys are made. Default: AWS_REGION, or the profile's.
	Region string `yaml:"region"`
	// Profile is one of the shared configuration files. Default: AWS_PROFILE.
	Profile string `yaml:"profile"`
	// Endpoint and STSEndpoint are URLs of KMS and STS. Default: AWS's own.
	Endpoint    string `yaml:"endpoint"`
	STSEndpoint string `yaml:"sts_endpoint"`
	// AccessKeyID is a fixed access key, whose secret SecretAccessKeyFile has.
	// Default: the SDK's chain: the environment, a web identity, the shared files,
	// the role of the container or of the machine.
	AccessKeyID         string `yaml:"access_key_id"`
	SecretAccessKeyFile string `yaml:"secret_access_key_file"`
	// Role is the ARN of a role to assume, ExternalID what its owner asks for, and
	// Session the session's name. Default: none, none, and "holdfast".
	Role       string `yaml:"role"`
	ExternalID string `yaml:"external_id"`
	Session    string `yaml:"session"`
	// WebIdentityTokenFile is a file with an OpenID Connect token, with which Role
	// is assumed. Default: none.
	WebIdentityTokenFile string `yaml:"web_identity_token_file"`
	// CACertificate is a PEM file with the certificates to trust. Default: those
	// of the system.
	CACertificate string `yaml:"ca_certificate"`
	// DeletionDays is how long a destroyed key can be recovered there: 7 to 30.
	// Default: 7.
	DeletionDays int `yaml:"deletion_days"`
	// Without are specs that the service does not have, as emulators and some of
	// AWS's partitions lack some ("ML_DSA_44"). Default: none.
	Without []string `yaml:"without"`
}

// AzureKV is a vault of Azure Key Vault, or a Managed HSM.
type AzureKV struct {
	// Vault is its URL, such as "https://production.vault.azure.net".
	Vault string `yaml:"vault"`
	// Tenant and Client say as whom: with ClientSecretFile, with
	// ClientCertificateFile (PEM or PKCS #12), or with WorkloadIdentityFile, a file
	// with a federated token. Default: the SDK's chain: the environment, a workload
	// identity, a managed identity, the tools of a developer.
	Tenant                string `yaml:"tenant"`
	Client                string `yaml:"client"`
	ClientSecretFile      string `yaml:"client_secret_file"`
	ClientCertificateFile string `yaml:"client_certificate_file"`
	WorkloadIdentityFile  string `yaml:"workload_identity_file"`
	// ManagedIdentity is "system", or the client id of a managed identity of this
	// machine's. Default: none.
	ManagedIdentity string `yaml:"managed_identity"`
	// Authority is the URL of the login service. Default: the public cloud's.
	// UnknownAuthority takes one that Microsoft does not know. Default: false.
	Authority        string `yaml:"authority"`
	UnknownAuthority bool   `yaml:"unknown_authority"`
	// CACertificate is a PEM file with the certificates to trust. Default: those
	// of the system.
	CACertificate string `yaml:"ca_certificate"`
	// ManagedHSM says that the vault is a Managed HSM. Default: what its name
	// says (contoso.managedhsm.azure.net).
	ManagedHSM bool `yaml:"managed_hsm"`
	// HSM makes keys in the HSMs of a vault of the premium tier. Keys of a Managed
	// HSM always are. Default: false.
	HSM bool `yaml:"hsm"`
	// Purge ends destroyed keys for good, where the vault lets it: nobody recovers
	// them then. Default: false.
	Purge bool `yaml:"purge"`
	// AnyChallenge takes it that the vault asks for tokens of another resource
	// than its own domain, as emulators do. Default: false.
	AnyChallenge bool `yaml:"any_challenge"`
}

// GCPKMS is a key ring of Google Cloud KMS.
type GCPKMS struct {
	// KeyRing is where keys are made: "projects/P/locations/L/keyRings/R". It must
	// be there.
	KeyRing string `yaml:"key_ring"`
	// Protection is that of new keys: software or hsm. Default: software.
	Protection string `yaml:"protection"`
	// RSASigns and RSADecrypts are the only algorithm of new RSA keys, in
	// Holdfast's own words ("rsa-pss-sha256", say). Default: PKCS #1 with every
	// hash, and OAEP with SHA-256.
	RSASigns    string `yaml:"rsa_signs"`
	RSADecrypts string `yaml:"rsa_decrypts"`
	// DestroyAfter is how long a destroyed key can be recovered there. Default:
	// the service's own, 30 days.
	DestroyAfter time.Duration `yaml:"destroy_after"`
	// Endpoint is "host:port", or "http://127.0.0.1:port". Default: Google's own.
	Endpoint string `yaml:"endpoint"`
	// CACertificate is a PEM file with the certificates to trust. Default: those
	// of the system.
	CACertificate string `yaml:"ca_certificate"`
	// CredentialsFile is a file of Google's: a service account's key, or a
	// workload identity's configuration. Default: Application Default Credentials.
	CredentialsFile string `yaml:"credentials_file"`
	// Anonymous sends no credentials, for emulators. Default: false.
	Anonymous bool `yaml:"anonymous"`
	// QuotaProject is who pays for the requests. Default: the credentials' own.
	QuotaProject string `yaml:"quota_project"`
}

// Vault is a Transit engine of HashiCorp Vault or OpenBao.
type Vault struct {
	// Address is the server's URL. Default: VAULT_ADDR.
	Address string `yaml:"address"`
	// Mount is the path of the Transit engine. Default: transit.
	Mount string `yaml:"mount"`
	// Namespace is that of every request. Default: VAULT_NAMESPACE.
	Namespace string `yaml:"namespace"`
	// CACertificate is a PEM file with the certificates to trust. Default:
	// VAULT_CACERT, or those of the system.
	CACertificate string `yaml:"ca_certificate"`
	// TokenFile has a token, which is renewed. Default: VAULT_TOKEN, unless
	// AppRole or Kubernetes is given.
	TokenFile  string      `yaml:"token_file"`
	AppRole    *AppRole    `yaml:"approle"`
	Kubernetes *Kubernetes `yaml:"kubernetes"`
}

// AppRole logs in to Vault with the AppRole method.
type AppRole struct {
	// Mount is the path of the method. Default: approle.
	Mount string `yaml:"mount"`
	// RoleID and SecretIDFile are the credential. The file is read at each login.
	RoleID       string `yaml:"role_id"`
	SecretIDFile string `yaml:"secret_id_file"`
	// Wrapped says that the file has a wrapping token, which is good for one
	// login. Default: false.
	Wrapped bool `yaml:"wrapped"`
}

// Kubernetes logs in to Vault with the Kubernetes method.
type Kubernetes struct {
	// Mount is the path of the method. Default: kubernetes.
	Mount string `yaml:"mount"`
	// Role is the role's name.
	Role string `yaml:"role"`
	// TokenFile has the service account's token. Default: where Kubernetes puts
	// it, /var/run/secrets/kubernetes.io/serviceaccount/token.
	TokenFile string `yaml:"token_file"`
}

// Kind returns the name of the section that says of which kind a provider is,
// "" unless it is exactly one.
func (p *Provider) Kind() string {
	kind := ""
	for name, given := range map[string]bool{
		"awskms": p.AWSKMS != nil, "azurekv": p.AzureKV != nil, "gcpkms": p.GCPKMS != nil, "vault": p.Vault != nil,
	} {
		switch {
		case given && kind != "":
			return ""
		case given:
			kind = name
		}
	}
	return kind
}

// RealmIDs returns the realms that see what is in the service.
func (p *Provider) RealmIDs() []key.RealmID {
	if len(p.Realms) == 0 {
		return []key.RealmID{key.DefaultRealm}
	}
	var of []key.RealmID
	for _, r := range p.Realms {
		of = append(of, key.RealmID(r))
	}
	return of
}

// The bounds of a provider's settings.
const (
	maxProviderTimeout = 10 * time.Minute
	maxProviderRetries = 20
	maxProviderRate    = 100_000
)

// validateProviders checks the providers, whose names are none of taken.
func (c *Config) validateProviders(taken []string, refuse func(name, format string, args ...any)) {
	for i := range c.Providers {
		p := &c.Providers[i]
		field := "providers." + p.Name
		switch {
		case !placeName.MatchString(p.Name):
			refuse("providers", "%q is not a name: use at most 32 lower-case letters, digits and dashes", p.Name)
		case slices.Contains(taken, p.Name):
			refuse("providers", "the name %q is taken", p.Name)
		}
		taken = append(taken, p.Name)
		if p.Kind() == "" {
			refuse(field, "give one of awskms, azurekv, gcpkms and vault, to say what it is")
		}
		p.validate(field, refuse)
	}
}

func (p *Provider) validate(field string, refuse func(name, format string, args ...any)) {
	for _, r := range p.Realms {
		if !key.RealmID(r).Valid() {
			refuse(field, "realms: %q is no realm: it has 12 digits", r)
		}
	}
	for _, r := range []struct {
		name            string
		value, min, max float64
	}{
		{"timeout", p.Timeout.Seconds(), 0, maxProviderTimeout.Seconds()},
		{"attempt", p.Attempt.Seconds(), 0, maxProviderTimeout.Seconds()},
		{"retries", float64(p.Retries), -1, maxProviderRetries},
		{"rate", p.Rate, 0, maxProviderRate},
	} {
		if r.value < r.min || r.value > r.max {
			refuse(field, "%s: %v is not between %v and %v", r.name, r.value, r.min, r.max)
		}
	}
	files := p.files()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path := files[name]; path != "" && !filepath.IsAbs(path) {
			refuse(field, "%s %q is not an absolute path", name, path)
		}
	}
	p.validateKind(field, refuse)
}

// validateKind checks what each kind needs; all else its engine checks.
func (p *Provider) validateKind(field string, refuse func(name, format string, args ...any)) {
	if a := p.AWSKMS; a != nil && (a.AccessKeyID == "") != (a.SecretAccessKeyFile == "") {
		refuse(field, "access_key_id and secret_access_key_file go together")
	}
	if a := p.AzureKV; a != nil {
		if a.Vault == "" {
			refuse(field, "vault, the vault's URL, is missing")
		}
		ways := 0
		for _, given := range []string{a.ClientSecretFile, a.ClientCertificateFile, a.WorkloadIdentityFile, a.ManagedIdentity} {
			if given != "" {
				ways++
			}
		}
		if ways > 1 {
			refuse(field, "give one of client_secret_file, client_certificate_file, workload_identity_file and managed_identity")
		}
	}
	if v := p.Vault; v != nil {
		ways := 0
		for _, given := range []bool{v.TokenFile != "", v.AppRole != nil, v.Kubernetes != nil} {
			if given {
				ways++
			}
		}
		if ways > 1 {
			refuse(field, "give one of token_file, approle and kubernetes")
		}
	}
}

// files returns the paths that a provider names.
func (p *Provider) files() map[string]string {
	files := map[string]string{}
	if a := p.AWSKMS; a != nil {
		files["secret_access_key_file"], files["web_identity_token_file"], files["ca_certificate"] = a.SecretAccessKeyFile, a.WebIdentityTokenFile, a.CACertificate
	}
	if a := p.AzureKV; a != nil {
		files["client_secret_file"], files["client_certificate_file"] = a.ClientSecretFile, a.ClientCertificateFile
		files["workload_identity_file"], files["ca_certificate"] = a.WorkloadIdentityFile, a.CACertificate
	}
	if g := p.GCPKMS; g != nil {
		files["credentials_file"], files["ca_certificate"] = g.CredentialsFile, g.CACertificate
	}
	if v := p.Vault; v != nil {
		files["token_file"], files["ca_certificate"] = v.TokenFile, v.CACertificate
		if v.AppRole != nil {
			files["approle.secret_id_file"] = v.AppRole.SecretIDFile
		}
		if v.Kubernetes != nil {
			files["kubernetes.token_file"] = v.Kubernetes.TokenFile
		}
	}
	return files
}

// Place says in a line where a provider's keys live.
func (p *Provider) Place() string {
	switch {
	case p.AWSKMS != nil:
		place := "AWS KMS"
		if p.AWSKMS.Region != "" {
			place += " in " + p.AWSKMS.Region
		}
		if p.AWSKMS.Endpoint != "" {
			place += " at " + p.AWSKMS.Endpoint
		}
		return place
	case p.AzureKV != nil:
		return "Azure Key Vault " + p.AzureKV.Vault
	case p.GCPKMS != nil:
		return "Google Cloud KMS " + p.GCPKMS.KeyRing
	case p.Vault != nil:
		mount := p.Vault.Mount
		if mount == "" {
			mount = "transit"
		}
		return fmt.Sprintf("Vault %s, %s", p.Vault.Address, mount)
	}
	return ""
}
