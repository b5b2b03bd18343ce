package azurekv

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Identity is who a server is to Azure. At most one of ClientSecret,
// Certificate, TokenFile and ManagedIdentity is set; with none, the default chain
// is used.
type Identity struct {
	engine.Redacted
	// Tenant and Client are the directory and the application, by their ids.
	Tenant, Client string
	// ClientSecret is the application's.
	ClientSecret string
	// Certificate is the application's certificate with its private key, as PEM or
	// PKCS #12, and Password what the latter is encrypted with.
	Certificate, Password []byte
	// TokenFile is where a workload identity's token is, and renewed by whoever
	// made it.
	TokenFile string
	// ManagedIdentity uses the machine's: the one of Client or ResourceID, or the
	// system's with neither.
	ManagedIdentity bool
	ResourceID      string
	// Authority gives tokens. Default: the environment's AZURE_AUTHORITY_HOST, or
	// https://login.microsoftonline.com.
	Authority string
	// DisableInstanceDiscovery is for an Authority that Microsoft does not know.
	// Default: no.
	DisableInstanceDiscovery bool
}

// credential returns what gets tokens for an identity.
func (i *Identity) credential(o policy.ClientOptions) (azcore.TokenCredential, error) {
	if i == nil {
		i = &Identity{}
	}
	o.Cloud.ActiveDirectoryAuthorityHost = i.Authority
	set := 0
	for _, is := range []bool{i.ClientSecret != "", len(i.Certificate) > 0, i.TokenFile != "", i.ManagedIdentity} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return nil, fault.New(fault.InvalidArgument, "an identity has one of a client secret, a certificate, a token file and a managed identity")
	case (i.ClientSecret != "" || len(i.Certificate) > 0) && (i.Tenant == "" || i.Client == ""):
		return nil, fault.New(fault.InvalidArgument, "a client secret or certificate goes with a tenant and a client")
	}
	c, err := i.open(o)
	if err != nil {
		return nil, &fault.Error{Kind: fault.InvalidArgument, Op: "engine/azurekv.New", Public: "the identity for Azure cannot be used as it is", Err: err}
	}
	return c, nil
}

func (i *Identity) open(o policy.ClientOptions) (azcore.TokenCredential, error) {
	switch {
	case i.ClientSecret != "":
		return azidentity.NewClientSecretCredential(i.Tenant, i.Client, i.ClientSecret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: i.DisableInstanceDiscovery})
	case len(i.Certificate) > 0:
		certificates, private, err := azidentity.ParseCertificates(i.Certificate, i.Password)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate: %w", err)
		}
		return azidentity.NewClientCertificateCredential(i.Tenant, i.Client, certificates, private,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: i.DisableInstanceDiscovery, SendCertificateChain: true})
	case i.TokenFile != "":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, ClientID: i.Client, TenantID: i.Tenant, TokenFilePath: i.TokenFile, DisableInstanceDiscovery: i.DisableInstanceDiscovery,
		})
	case i.ManagedIdentity:
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: i.managed()})
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: o, TenantID: i.Tenant, DisableInstanceDiscovery: i.DisableInstanceDiscovery,
	})
}

func (i *Identity) managed() azidentity.ManagedIDKind {
	switch {
	case i.ResourceID != "":
		return azidentity.ResourceID(i.ResourceID)
	case i.Client != "":
		return azidentity.ClientID(i.Client)
	}
	return nil
}

// renewing gets another token where the service did not accept the last one,
// though it has not expired by this machine's clock: azidentity would give the
// same one again from its cache.
type renewing struct {
	azcore.TokenCredential

	mu       sync.Mutex
	rejected string // guarded by mu
}

// reject notes a token that the service did not accept.
func (r *renewing) reject(token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = token
}

// GetToken returns a token that was not rejected. The claims ask for one that is
// newer than now, in the words of Continuous Access Evaluation; no cache has
// that.
func (r *renewing) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := r.TokenCredential.GetToken(ctx, o)
	r.mu.Lock()
	again := err == nil && token.Token == r.rejected && o.Claims == ""
	r.mu.Unlock()
	if !again {
		return token, err
	}
	o.Claims = fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, time.Now().Unix())
	return r.TokenCredential.GetToken(ctx, o)
}

// claims reports whether a challenge's claims can be read; the SDK's error of
// others has them in it.
func claims(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil
}
