package step

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.step.sm/crypto/kms/apiv1"

	"github.com/holdfast-kms/holdfast"
)

// Programs import a KMS for this effect alone: kms.New has no other way to learn
// of it.
func init() { //nolint:gochecknoinits // see above
	apiv1.Register(Scheme, func(ctx context.Context, o apiv1.Options) (apiv1.KeyManager, error) { return New(ctx, o) })
}

// KMS opens and makes keys. All methods may be called at the same time.
type KMS struct {
	place string // its URI; "" if names say where keys are
	opts  []holdfast.Option

	mu   sync.Mutex
	open []*holdfast.Place // to be closed; guarded by mu
}

var (
	_ apiv1.KeyManager           = (*KMS)(nil)
	_ apiv1.SearchableKeyManager = (*KMS)(nil)
	_ apiv1.Decrypter            = (*KMS)(nil)
	_ apiv1.NameValidator        = (*KMS)(nil)
)

// New returns a KMS. The URI in its options, if there is one, names the place of
// its keys, and Pin is that of a PKCS #11 token. Options that others have are
// refused: the URIs of keys say all that.
func New(_ context.Context, o apiv1.Options, opts ...holdfast.Option) (*KMS, error) {
	k := &KMS{opts: opts}
	for name, value := range map[string]string{
		"credentialsFile": o.CredentialsFile, "managementKey": o.ManagementKey, "region": o.Region,
		"profile": o.Profile, "storageDirectory": o.StorageDirectory,
	} {
		if value != "" {
			return nil, fmt.Errorf("the option %s is not supported: the URI of a key says it, or the environment", name)
		}
	}
	if o.Pin != "" {
		k.opts = append(k.opts[:len(k.opts):len(k.opts)], holdfast.WithPIN(func() ([]byte, error) { return []byte(o.Pin), nil }))
	}
	if o.URI != "" && o.URI != Scheme+":" {
		place, err := uriOf(o.URI)
		if err != nil {
			return nil, err
		}
		k.place = place
	}
	return k, nil
}

// ValidateName refuses what is no name of a key.
func (k *KMS) ValidateName(name string) error {
	_, _, err := k.locate(name)
	return err
}

// locate returns the place of a key, and the key's URI or its name there.
func (k *KMS) locate(name string) (place, key string, err error) {
	if name == "" {
		return "", "", errors.New("the name of the key is empty")
	}
	uri, err := uriOf(name)
	switch {
	case err == nil && k.place != "":
		return k.place, uri, nil
	case err == nil:
		return uri, uri, nil
	case k.place != "" && !strings.HasPrefix(name, Scheme+":"):
		return k.place, name, nil
	}
	return "", "", err
}

// with connects to where a key is and has something done there with its name.
// Whoever gets the place closes it.
func (k *KMS) with(name string, do func(context.Context, *holdfast.Place, string) (*holdfast.Key, error), opts ...holdfast.Option) (*holdfast.Key, *holdfast.Place, error) {
	at, key, err := k.locate(name)
	if err != nil {
		return nil, nil, err
	}
	ctx := context.Background() // the interfaces of step have none
	place, err := holdfast.Connect(ctx, at, append(k.opts[:len(k.opts):len(k.opts)], opts...)...)
	if err != nil {
		return nil, nil, translate(err)
	}
	opened, err := do(ctx, place, key)
	if err != nil {
		return nil, nil, translate(errors.Join(err, place.Close()))
	}
	return opened, place, nil
}

// openKey opens a key by its name.
func openKey(ctx context.Context, p *holdfast.Place, key string) (*holdfast.Key, error) {
	return p.Open(ctx, key)
}

// keep has a place closed at the end.
func (k *KMS) keep(p *holdfast.Place) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = append(k.open, p)
}

// Close ends the connections of all signers and decrypters.
func (k *KMS) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []error
	for _, p := range k.open {
		all = append(all, p.Close())
	}
	k.open = nil
	return errors.Join(all...)
}

// GetPublicKey returns the public half of a key.
func (k *KMS) GetPublicKey(req *apiv1.GetPublicKeyRequest) (crypto.PublicKey, error) {
	key, place, err := k.with(req.Name, openKey)
	if err != nil {
		return nil, err
	}
	public, err := publicOf(key)
	return public, errors.Join(err, place.Close())
}

// publicOf returns a public half of a type that step knows.
func publicOf(key *holdfast.Key) (crypto.PublicKey, error) {
	public := key.Public()
	if _, unknown := public.(*holdfast.PublicKey); unknown || public == nil {
		return nil, translate(&holdfast.Error{
			Kind: holdfast.Unsupported, Op: "opening", URI: key.URI(),
			Detail: "step has no public key of the type " + key.Spec(),
		})
	}
	return public, nil
}

// CreateSigner opens a key that signs. What it returns has a method
// SignatureAlgorithm, by which step-ca chooses how.
func (k *KMS) CreateSigner(req *apiv1.CreateSignerRequest) (crypto.Signer, error) {
	key, place, err := k.with(req.SigningKey, openKey, passphrase(req.Password, req.PasswordPrompter)...)
	if err != nil {
		return nil, err
	}
	s, err := newSigner(key)
	if err != nil {
		return nil, translate(errors.Join(err, place.Close()))
	}
	k.keep(place)
	return s, nil
}

// CreateDecrypter opens an RSA key that decrypts. The options of its Decrypt are
// *rsa.OAEPOptions.
func (k *KMS) CreateDecrypter(req *apiv1.CreateDecrypterRequest) (crypto.Decrypter, error) {
	key, place, err := k.with(req.DecryptionKey, openKey, passphrase(req.Password, req.PasswordPrompter)...)
	if err != nil {
		return nil, err
	}
	d, err := key.Decrypter()
	if err != nil {
		return nil, translate(errors.Join(err, place.Close()))
	}
	k.keep(place)
	return d, nil
}

// passphrase returns the option that opens an encrypted key file.
func passphrase(password []byte, prompt apiv1.PasswordPrompter) []holdfast.Option {
	switch {
	case len(password) > 0:
		return []holdfast.Option{holdfast.WithPassphrase(func() ([]byte, error) { return append([]byte(nil), password...), nil })}
	case prompt != nil:
		return []holdfast.Option{holdfast.WithPassphrase(func() ([]byte, error) { return prompt("Please enter the password of the key") })}
	}
	return nil
}
