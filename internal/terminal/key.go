package terminal

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/client"
)

// Timeout is how long a server, or whatever else has a key, is waited for.
func (a *App) Timeout() time.Duration { return a.config.Timeout }

// OpenKey opens the key that a URI names, wherever it lives. A Holdfast server
// is reached as the flags of Connection say.
func (a *App) OpenKey(ctx context.Context, uri string) (*holdfast.Key, error) {
	ctx, stop := context.WithTimeout(ctx, a.config.Timeout)
	defer stop()
	return holdfast.Open(ctx, uri, a.KeyOptions()...)
}

// KeyOptions are how keys are opened by their URIs: by the flags of Connection,
// with secrets that are asked for where no variable has them, and with PKCS #11
// libraries in processes of their own.
func (a *App) KeyOptions() []holdfast.Option {
	config := a.config
	config.SecretAccessKey, config.SessionToken = os.Getenv(client.EnvSecretAccessKey), os.Getenv(client.EnvSessionToken)
	config.UserAgent = a.UserAgent
	options := []holdfast.Option{
		holdfast.WithServer(config), holdfast.WithTimeout(a.config.Timeout), holdfast.WithModuleProcess(),
		holdfast.WithPassphrase(a.askFor(holdfast.PassphraseVariable, "Passphrase of the key file")),
	}
	// A wrong PIN counts: without one nobody logs in, so it is asked for only
	// where somebody can answer.
	if a.Interactive() && os.Getenv(holdfast.PINVariable) == "" {
		options = append(options, holdfast.WithPIN(a.askFor(holdfast.PINVariable, "PIN of the token")))
	}
	return options
}

// askFor returns what takes a secret from a variable, or else asks for it
// where somebody can answer: one at a time, for keys are opened in parallel.
func (a *App) askFor(variable, question string) func() ([]byte, error) {
	return func() ([]byte, error) {
		if value := os.Getenv(variable); value != "" || !a.Interactive() {
			return []byte(value), nil
		}
		a.asking.Lock()
		defer a.asking.Unlock()
		return a.AskSecret(question, "set "+variable)
	}
}

// OnKey returns the RunE of a command that uses one key, which it closes.
func (a *App) OnKey(uri *string, act func(ctx context.Context, k *holdfast.Key, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		k, err := a.OpenKey(cmd.Context(), *uri)
		if err != nil {
			return err
		}
		return errors.Join(act(cmd.Context(), k, args), k.Close())
	}
}

// KeyURIHelp says how a key is named that may be anywhere.
const KeyURIHelp = "Keys are named by URIs: awskms:///alias/NAME?region=R, azurekms://VAULT/NAME,\n" +
	"gcpkms://projects/…/cryptoKeys/NAME, hashivault://NAME, pkcs11:token=T;object=O,\n" +
	"holdfast:///NAME and file:PATH; docs/library.md has all forms and parameters."
