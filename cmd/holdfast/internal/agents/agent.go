// Package agents has the command agent, which keeps the certificates of the
// host that it runs on.
//
// Start with New. The package is internal and may change with any release.
package agents

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/agent"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// New returns `holdfast agent`.
func New(a *terminal.App) *cobra.Command {
	var file string
	var once, check bool
	cmd := &cobra.Command{
		Use: "agent", Short: "Keep the certificates of this host: fetch, write, reload, check, or roll back", Args: cobra.NoArgs,
		Long: "Keep the certificates that the configuration lists: fetch managed certificates, or have\n" +
			"certificates issued for keys that are made here; write them for the programs that use them;\n" +
			"have those load them; and look whether they present them. What does not work out is taken\n" +
			"back. It runs until SIGTERM or SIGINT and logs to standard error.",
		Example: "  holdfast agent --config /etc/holdfast/agent.yaml\n" +
			"  holdfast agent --config /etc/holdfast/agent.yaml --once",
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "the agent's configuration file (YAML)")
	flags.BoolVar(&once, "once", false, "do what there is to do now, and end; the exit status tells whether all went well")
	flags.BoolVar(&check, "check-config", false, "only read the configuration")
	terminal.Require(cmd, "config")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := agent.Load(file)
		if err != nil {
			return terminal.Plain(err)
		}
		source, err := connect(&c.Server, a.UserAgent)
		if err != nil || check {
			return err
		}
		log := terminal.Logger(c.Log, a.Err)
		opened, err := agent.Open(cmd.Context(), c, agent.Options{Source: source, Log: log})
		if err != nil {
			return err
		}
		if once {
			return errors.Join(opened.Once(cmd.Context()), opened.Close())
		}
		opened.Run(cmd.Context())
		return opened.Close()
	}
	return cmd
}

// connect returns a client of the server that the configuration names.
func connect(s *agent.Server, userAgent string) (*client.Client, error) {
	c := client.Config{
		Address: s.URL, CACert: s.CA, Region: s.Region, Timeout: time.Duration(s.Timeout), UserAgent: userAgent,
		ClientCertificate: s.ClientCertificate, ClientKey: s.ClientKey,
	}
	switch {
	case s.AccessKeyID != "":
		secret, err := agent.ReadSecret(s.SecretAccessKeyFile)
		if err != nil {
			return nil, err
		}
		c.AccessKeyID, c.SecretAccessKey = s.AccessKeyID, string(secret)
	case s.ClientCertificate == "":
		c.AccessKeyID, c.SecretAccessKey = os.Getenv(client.EnvAccessKeyID), os.Getenv(client.EnvSecretAccessKey)
	}
	return client.New(c)
}
