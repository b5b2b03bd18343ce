package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/seals"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// newInitCommand is `holdfast init`.
func newInitCommand(a *terminal.App) *cobra.Command {
	var file, data, admin string
	var replace bool
	var sealing seals.Flags
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a data directory and its first administrator",
		Long: `Make a data directory: the root key, an empty store, an audit log, and one
user who may do everything. The user's access key is printed once, as lines to
source; Holdfast keeps the secret only encrypted.

--seal file (the default) keeps the root key in the directory: whoever can read
the directory has every key. --seal passphrase encrypts it; the passphrase is
read from HOLDFAST_PASSPHRASE or the terminal now, and at each start. --seal
shares splits the key to it among people: any --threshold of --shares unseal the
server ("holdfast unseal"). --seal hsm has a key in a PKCS #11 token of the
configuration wrap it. docs/seal.md compares them.

--replace-admin takes every access key from the administrator of an existing
data directory, which no server may be serving, and prints a new one: for
whoever has the directory and lost the credential.`,
		Example: `  holdfast init --data /var/lib/holdfast > admin.env
  HOLDFAST_PASSPHRASE='correct horse battery' holdfast init --data /srv/keys --seal passphrase
  holdfast init --data /srv/keys --seal shares --shares 5 --threshold 3 --shares-dir /media/stick > admin.env
  holdfast init --config /etc/holdfast.yaml --seal hsm --hsm luna > admin.env
  holdfast init --data /var/lib/holdfast --replace-admin > admin.env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := seals.Settings(file, data, "")
			if err != nil {
				return err
			}
			k, err := administrator(cmd.Context(), &settings, &sealing, admin, replace, &a.Terminal)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "export HOLDFAST_ACCESS_KEY_ID='%[1]s'\nexport HOLDFAST_SECRET_ACCESS_KEY='%[2]s'\n"+
				"export AWS_ACCESS_KEY_ID='%[1]s'\nexport AWS_SECRET_ACCESS_KEY='%[2]s'\n"+
				"export HOLDFAST_DIR='%[3]s'\nexport HOLDFAST_CACERT='%[4]s'\nexport AWS_CA_BUNDLE='%[4]s'\n",
				k.ID, k.Secret, settings.Data, certificate.CA(&settings))
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (YAML)")
	f.StringVar(&data, "data", "", "data directory to make (default /var/lib/holdfast)")
	sealing.Add(c, string(seal.InFile))
	f.StringVar(&admin, "admin", "admin", "name of the first administrator")
	f.BoolVar(&replace, "replace-admin", false, "make no directory, but a new access key for its administrator")
	return c
}

// administrator returns the credential of a new data directory's
// administrator, or a new one of an existing directory's.
func administrator(
	ctx context.Context, c *config.Config, sealing *seals.Flags, name string, replace bool, t *terminal.Terminal,
) (*identity.NewAccessKey, error) {
	if replace {
		root, err := seals.OpenRoot(ctx, c, t)
		if err != nil {
			return nil, err
		}
		return server.ReplaceAdministrator(ctx, *c, root, name)
	}
	sealing.ToPerson() // standard output has the credential
	root, err := initRoot(ctx, c, sealing, t)
	if err != nil {
		return nil, err
	}
	return server.Initialise(ctx, *c, root, name)
}

// initRoot makes the data directory. One that has a seal and nobody who could
// use it is the work of an init that was interrupted, and is gone on with; one
// with an administrator server.Initialise refuses.
func initRoot(ctx context.Context, c *config.Config, f *seals.Flags, t *terminal.Terminal) (*seal.Root, error) {
	if !seal.Exists(c.Data) {
		return f.Make(ctx, c, t)
	}
	if _, err := fmt.Fprintf(t.Err, "%s has a seal already, which stays as it is.\n", c.Data); err != nil {
		return nil, err
	}
	return seals.OpenRoot(ctx, c, t)
}
