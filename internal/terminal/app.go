package terminal

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
)

// App is what the commands of one run share: the terminal, and the server
// that they ask.
type App struct {
	Terminal
	// UserAgent is what servers' audit logs know the program by.
	UserAgent string
	// config is what the flags and variables say of the server.
	config client.Config
	// asking guards the terminal while a secret is asked for.
	asking sync.Mutex
}

// Connection adds the flags that say which server to ask, and as whom. The
// secret and the session token come only from the environment: every user of
// a machine can read a command line.
func (a *App) Connection(cmd *cobra.Command) *cobra.Command {
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.config.Address, "addr", "", "the server's URL, such as https://127.0.0.1:8443")
	flags.StringVar(&a.config.CACert, "cacert", "", "a PEM file with the certificates to trust; the system's without it")
	flags.StringVar(&a.config.AccessKeyID, "access-key-id", "", "the access key id; its secret is read from "+client.EnvSecretAccessKey)
	flags.StringVar(&a.config.ClientCertificate, "client-certificate", "", "a PEM file with a certificate that says who asks, in the place of an access key")
	flags.StringVar(&a.config.ClientKey, "client-key", "", "the PEM file with its key")
	flags.StringVar(&a.config.Region, "region", "", "the region of the keys; the server's own without it")
	flags.DurationVar(&a.config.Timeout, "timeout", 30*time.Second, "how long to wait for the server")
	return cmd
}

// Server returns the server that the flags name, with the credential.
func (a *App) Server() client.Config {
	config := a.config
	config.SecretAccessKey, config.SessionToken = os.Getenv(client.EnvSecretAccessKey), os.Getenv(client.EnvSessionToken)
	config.UserAgent = a.UserAgent
	if config.ClientCertificate != "" {
		config.AccessKeyID, config.SecretAccessKey, config.SessionToken = "", "", ""
	}
	return config
}

// Connect returns a client of the server that the flags name.
func (a *App) Connect() (*client.Client, error) {
	config := a.Server()
	c, err := client.New(config)
	if err != nil && (config.Address == "" || config.AccessKeyID == "" || config.SecretAccessKey == "") {
		return nil, Hint(err, "source DIR/env, which \"holdfast dev --dir DIR\" writes")
	}
	return c, err
}

// Unsealer returns what speaks to the server that the flags name about its
// seal, without a credential.
func (a *App) Unsealer() (*client.Unsealer, error) {
	config := a.config
	config.UserAgent = a.UserAgent
	u, err := client.NewUnsealer(config)
	if err != nil && config.Address == "" {
		return nil, Hint(err, "give its URL with --addr")
	}
	return u, err
}

// Remote returns the RunE of a command that asks the server.
func (a *App) Remote(act func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.Connect()
		if err != nil {
			return err
		}
		return Explain(act(cmd.Context(), c, args), c.Address())
	}
}

// All returns a whole listing: list gives a page of it, and where the next one
// begins. It is never nil, so that JSON has an empty list.
func All[T any](list func(client.Page) (page []T, next string, err error)) ([]T, error) {
	all := []T{}
	err := Pages(func(p client.Page) (string, error) {
		page, next, err := list(p)
		all = append(all, page...)
		return next, err
	})
	return all, err
}

// Pages walks through a listing: list returns where the next page begins.
func Pages(list func(client.Page) (next string, err error)) error {
	page := client.Page{Limit: 1000}
	for {
		next, err := list(page)
		if err != nil || next == "" {
			return err
		}
		page.After = next
	}
}
