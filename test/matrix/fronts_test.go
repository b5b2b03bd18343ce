package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/test/compat"
)

// front is an API, by its client.
type front interface {
	title() string
	sign(ctx context.Context, key, algorithm string, message []byte) ([]byte, error)
	verify(ctx context.Context, key, algorithm string, message, signature []byte) error
	encrypt(ctx context.Context, key, algorithm string, plaintext []byte) ([]byte, error)
	decrypt(ctx context.Context, key, algorithm string, ciphertext []byte) ([]byte, error)
	// issue returns a certificate in PEM for a request in PEM.
	issue(ctx context.Context, authority, csr string) (string, error)
}

// native is Holdfast's own API.
type native struct{ *client.Client }

func newNative(t *testing.T, s *compat.Server) native {
	t.Helper()
	get := func(name string) string { return compat.Lookup(s.Env, name) }
	c, err := client.New(client.Config{
		Address: s.URL, CACert: get(client.EnvCACert), AccessKeyID: get(client.EnvAccessKeyID), SecretAccessKey: get(client.EnvSecretAccessKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	return native{c}
}

func (native) title() string { return "native" }

func (n native) sign(ctx context.Context, key, algorithm string, message []byte) ([]byte, error) {
	r, err := n.Sign(ctx, key, &client.SignRequest{Algorithm: algorithm, Message: message})
	if err != nil {
		return nil, err
	}
	return r.Signature, nil
}

func (n native) verify(ctx context.Context, key, algorithm string, message, signature []byte) error {
	r := &client.VerifyRequest{Signature: signature}
	r.Algorithm, r.Message = algorithm, message
	_, err := n.Verify(ctx, key, r)
	return err
}

func (n native) encrypt(ctx context.Context, key, algorithm string, plaintext []byte) ([]byte, error) {
	r, err := n.Encrypt(ctx, key, &client.EncryptRequest{Algorithm: algorithm, Plaintext: plaintext})
	if err != nil {
		return nil, err
	}
	return r.Ciphertext, nil
}

func (n native) decrypt(ctx context.Context, key, algorithm string, ciphertext []byte) ([]byte, error) {
	r, err := n.Decrypt(ctx, &client.DecryptRequest{Key: key, Algorithm: algorithm, Ciphertext: ciphertext})
	if err != nil {
		return nil, err
	}
	return r.Plaintext, nil
}

func (n native) issue(ctx context.Context, authority, csr string) (string, error) {
	r, err := n.Issue(ctx, &client.IssueRequest{Authority: authority, Profile: "tls-server", CSR: csr})
	if err != nil {
		return "", err
	}
	return r.Certificate.Certificate, nil
}

// amazonian is the AWS API: KMS and Private CA.
type amazonian struct {
	keys *kms.Client
	pca  *acmpca.Client
}

func newAmazonian(t *testing.T, s *compat.Server) amazonian {
	t.Helper()
	get := func(name string) string { return compat.Lookup(s.Env, name) }
	web, err := compat.Trusting(get("AWS_CA_BUNDLE"))
	if err != nil {
		t.Fatal(err)
	}
	who := credentials.NewStaticCredentialsProvider(get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY"), "")
	return amazonian{
		keys: kms.New(kms.Options{Region: "us-east-1", BaseEndpoint: &s.URL, HTTPClient: web, Credentials: who}),
		pca:  acmpca.New(acmpca.Options{Region: "us-east-1", BaseEndpoint: &s.URL, HTTPClient: web, Credentials: who}),
	}
}

func (amazonian) title() string { return "AWS KMS and Private CA" }

func (a amazonian) sign(ctx context.Context, key, algorithm string, message []byte) ([]byte, error) {
	r, err := a.keys.Sign(ctx, &kms.SignInput{KeyId: &key, SigningAlgorithm: types.SigningAlgorithmSpec(algorithm), Message: message})
	if err != nil {
		return nil, err
	}
	return r.Signature, nil
}

func (a amazonian) verify(ctx context.Context, key, algorithm string, message, signature []byte) error {
	_, err := a.keys.Verify(ctx, &kms.VerifyInput{KeyId: &key, SigningAlgorithm: types.SigningAlgorithmSpec(algorithm), Message: message, Signature: signature})
	return err
}

func (a amazonian) encrypt(ctx context.Context, key, algorithm string, plaintext []byte) ([]byte, error) {
	r, err := a.keys.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, EncryptionAlgorithm: types.EncryptionAlgorithmSpec(algorithm), Plaintext: plaintext})
	if err != nil {
		return nil, err
	}
	return r.CiphertextBlob, nil
}

func (a amazonian) decrypt(ctx context.Context, key, algorithm string, ciphertext []byte) ([]byte, error) {
	r, err := a.keys.Decrypt(ctx, &kms.DecryptInput{KeyId: &key, EncryptionAlgorithm: types.EncryptionAlgorithmSpec(algorithm), CiphertextBlob: ciphertext})
	if err != nil {
		return nil, err
	}
	return r.Plaintext, nil
}

func (a amazonian) issue(ctx context.Context, authority, csr string) (string, error) {
	arn := "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + authority
	of, err := a.pca.DescribeCertificateAuthority(ctx, &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: &arn})
	if err != nil {
		return "", err
	}
	issued, err := a.pca.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &arn, Csr: []byte(csr), SigningAlgorithm: of.CertificateAuthority.CertificateAuthorityConfiguration.SigningAlgorithm,
		Validity: &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeDays, Value: aws.Int64(30)},
	})
	if err != nil {
		return "", err
	}
	get := &acmpca.GetCertificateInput{CertificateAuthorityArn: &arn, CertificateArn: issued.CertificateArn}
	if err := acmpca.NewCertificateIssuedWaiter(a.pca).Wait(ctx, get, time.Minute); err != nil {
		return "", err
	}
	got, err := a.pca.GetCertificate(ctx, get)
	if err != nil {
		return "", err
	}
	return *got.Certificate, nil
}

// signs signs and verifies, and holds that another message does not verify.
func signs(ctx context.Context, f front, key, algorithm string) error {
	message := []byte("what " + f.title() + " signs")
	signature, err := f.sign(ctx, key, algorithm, message)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if err := f.verify(ctx, key, algorithm, message, signature); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	if f.verify(ctx, key, algorithm, []byte("another message"), signature) == nil {
		return errors.New("the signature of another message verifies")
	}
	return nil
}

// encrypts encrypts and decrypts, and holds that a changed ciphertext does not
// decrypt.
func encrypts(ctx context.Context, f front, key, algorithm string) error {
	plaintext := []byte("what " + f.title() + " encrypts")
	ciphertext, err := f.encrypt(ctx, key, algorithm, plaintext)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	back, err := f.decrypt(ctx, key, algorithm, ciphertext)
	if err != nil || !bytes.Equal(back, plaintext) {
		return fmt.Errorf("decrypting: %q, %w", back, err)
	}
	ciphertext[len(ciphertext)-1] ^= 1
	if _, err := f.decrypt(ctx, key, algorithm, ciphertext); err == nil {
		return errors.New("a changed ciphertext decrypts")
	}
	return nil
}
