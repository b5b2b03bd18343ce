package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskmsapi "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	vaultapi "github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/awskms"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms"
	"github.com/holdfast-kms/holdfast/internal/engine/vault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

const region = "eu-central-1"

// digest is what all signatures are of.
func digest() []byte {
	sum := sha256.Sum256([]byte("what is signed"))
	return sum[:]
}

// made makes a P-256 key in a service and returns what signs with it by the
// engine, and the key's name there.
func made(ctx context.Context, e engine.Engine) (func(context.Context) error, string, error) {
	in, ok := e.(engine.Maker)
	if !ok {
		return nil, "", errors.New("the engine makes no keys by name")
	}
	name, err := in.Make(ctx, "bench", engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
	if err != nil {
		return nil, "", err
	}
	ref := engine.Ref{Realm: key.DefaultRealm, ID: "bench", Version: 1}
	kind, m, err := e.(engine.Adopter).Adopt(ctx, ref, name)
	if err != nil {
		return nil, "", err
	}
	k, err := e.Open(ctx, ref, kind.Spec, m.Wrapped)
	if err != nil {
		return nil, "", err
	}
	message := engine.Message{Form: alg.Digest, Bytes: digest()}
	return func(context.Context) error {
		_, err := engine.Sign(k.Signer, alg.ECDSASHA256, message)
		return err
	}, name, nil
}

func settings(name string) remote.Settings { return remote.Settings{Name: name} }

// trusting returns an HTTP client that trusts a server's certificate.
func trusting(ca []byte) (*http.Client, *x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, nil, errors.New("the service's certificate cannot be read")
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}, pool, nil
}

func openAWS(ctx context.Context, p *place) (*signer, error) {
	e, err := awskms.New(ctx, enginetest.Box{}, awskms.Options{
		Settings: settings("aws"), Region: region, Endpoint: p.Address,
		Credentials: &awskms.Credentials{AccessKeyID: p.User, SecretAccessKey: p.Secret},
	})
	if err != nil {
		return nil, err
	}
	sign, name, err := made(ctx, e)
	if err != nil {
		return nil, err
	}
	c := awskmsapi.New(awskmsapi.Options{
		Region: region, BaseEndpoint: &p.Address, Credentials: credentials.NewStaticCredentialsProvider(p.User, p.Secret, ""),
	})
	bare := func(ctx context.Context) error {
		_, err := c.Sign(ctx, &awskmsapi.SignInput{
			KeyId: &name, Message: digest(), MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
		})
		return err
	}
	return &signer{bare: bare, engine: sign, close: e.Close}, nil
}

func openAzure(ctx context.Context, p *place) (*signer, error) {
	client, pool, err := trusting(p.CA)
	if err != nil {
		return nil, err
	}
	e, err := azurekv.New(ctx, enginetest.Box{}, azurekv.Options{
		Settings: settings("azure"), Vault: p.Address, CA: pool,
		Identity: &azurekv.Identity{
			Tenant: azurekvtest.Tenant, Client: azurekvtest.Client, ClientSecret: azurekvtest.ClientSecret, Authority: p.Place, DisableInstanceDiscovery: true,
		},
	})
	if err != nil {
		return nil, err
	}
	sign, _, err := made(ctx, e)
	if err != nil {
		return nil, err
	}
	transport := azcore.ClientOptions{Transport: client}
	transport.Cloud.ActiveDirectoryAuthorityHost = p.Place
	who, err := azidentity.NewClientSecretCredential(azurekvtest.Tenant, azurekvtest.Client, azurekvtest.ClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: transport, DisableInstanceDiscovery: true})
	if err != nil {
		return nil, err
	}
	c, err := azkeys.NewClient(p.Address, who, &azkeys.ClientOptions{ClientOptions: transport})
	if err != nil {
		return nil, err
	}
	bare := func(ctx context.Context) error {
		_, err := c.Sign(ctx, "bench", "", azkeys.SignParameters{Algorithm: new(azkeys.SignatureAlgorithmES256), Value: digest()}, nil)
		return err
	}
	return &signer{bare: bare, engine: sign, close: e.Close}, nil
}

func openGoogle(ctx context.Context, p *place) (*signer, error) {
	e, err := gcpkms.New(ctx, enginetest.Box{}, gcpkms.Options{
		Settings: settings("google"), KeyRing: p.Place, Endpoint: p.Address, CA: p.CA, Credentials: &gcpkms.Credentials{JSON: p.Credential},
	})
	if err != nil {
		return nil, err
	}
	sign, name, err := made(ctx, e)
	if err != nil {
		return nil, err
	}
	_, pool, err := trusting(p.CA)
	if err != nil {
		return nil, err
	}
	c, err := kms.NewKeyManagementClient(ctx, option.WithEndpoint(p.Address), option.WithAuthCredentialsJSON(option.ExternalAccount, p.Credential),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(grpccredentials.NewClientTLSFromCert(pool, ""))))
	if err != nil {
		return nil, err
	}
	if !bytes.Contains([]byte(name), []byte("/cryptoKeyVersions/")) {
		name += "/cryptoKeyVersions/1"
	}
	request := &kmspb.AsymmetricSignRequest{Name: name, Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest()}}}
	bare := func(ctx context.Context) error {
		_, err := c.AsymmetricSign(ctx, request)
		return err
	}
	return &signer{bare: bare, engine: sign, close: func() error { return errors.Join(c.Close(), e.Close()) }}, nil
}

func openVault(ctx context.Context, p *place) (*signer, error) {
	e, err := vault.New(ctx, enginetest.Box{}, vault.Options{
		Settings: settings("vault"), Address: p.Address, CA: p.CA, AppRole: &vault.AppRole{RoleID: p.User, SecretID: vault.Secret(p.Secret)},
	})
	if err != nil {
		return nil, err
	}
	sign, _, err := made(ctx, e)
	if err != nil {
		return nil, err
	}
	config := vaultapi.DefaultConfig()
	config.Address = p.Address
	if err := config.ConfigureTLS(&vaultapi.TLSConfig{CACertBytes: p.CA}); err != nil {
		return nil, err
	}
	c, err := vaultapi.NewClient(config)
	if err != nil {
		return nil, err
	}
	login, err := approle.NewAppRoleAuth(p.User, &approle.SecretID{FromString: p.Secret})
	if err != nil {
		return nil, err
	}
	if _, err := c.Auth().Login(ctx, login); err != nil {
		return nil, fmt.Errorf("logging in: %w", err)
	}
	body := map[string]any{"input": base64.StdEncoding.EncodeToString(digest()), "prehashed": true, "hash_algorithm": "sha2-256"}
	bare := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := c.Logical().WriteWithContext(ctx, "transit/sign/bench", body)
		return err
	}
	return &signer{bare: bare, engine: sign, close: e.Close}, nil
}
