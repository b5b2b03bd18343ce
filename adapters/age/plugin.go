package age

import (
	"context"
	"os"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/holdfast-kms/holdfast"
)

// NewPlugin returns what speaks age's protocol of plug-ins. A PIN or a
// passphrase that the environment does not have is asked of the user, by age.
func NewPlugin(opts ...holdfast.Option) (*plugin.Plugin, error) {
	p, err := plugin.New(Name)
	if err != nil {
		return nil, err
	}
	opts = append([]holdfast.Option{
		holdfast.WithPIN(ask(p, holdfast.PINVariable, "PIN of the token:")),
		holdfast.WithPassphrase(ask(p, holdfast.PassphraseVariable, "passphrase of the key file:")),
	}, opts...)
	p.HandleRecipient(func(b []byte) (age.Recipient, error) { return newForeign(b, opts) })
	p.HandleIdentity(func(b []byte) (age.Identity, error) { return newIdentity(b, opts) })
	p.HandleIdentityAsRecipient(func(b []byte) (age.Recipient, error) {
		i, err := newIdentity(b, opts)
		if err != nil {
			return nil, err
		}
		return own{i}, nil
	})
	return p, nil
}

// ask returns a function that gets a secret from the environment or the user.
func ask(p *plugin.Plugin, variable, prompt string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if value := os.Getenv(variable); value != "" {
			return []byte(value), nil
		}
		value, err := p.RequestValue(prompt, true)
		return []byte(value), err
	}
}

// own is a key by its identity, to encrypt for: its URI is the user's own. It is
// opened only when the plug-in has been told all, for then it may ask for a PIN.
type own struct{ identity *Identity }

// Wrap encrypts a file key.
func (o own) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := o.identity.Recipient(ctx)
	if err != nil {
		return nil, err
	}
	return r.Wrap(fileKey)
}
