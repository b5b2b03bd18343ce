// Package keyless has the command keyless, which is the Keyless SSL key server
// alone, without a Holdfast.
//
// Start with New. The package is internal and may change with any release.
package keyless

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/keyserver"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// New returns `holdfast keyless`.
func New(a *terminal.App) *cobra.Command {
	var file string
	var check bool
	over := keyserver.Default()
	cmd := &cobra.Command{
		Use: "keyless", Short: "Serve keys to TLS servers by Keyless SSL, without a Holdfast server", Args: cobra.NoArgs,
		Long: "Serve the keys that the configuration names (in files, tokens and key services) by\n" +
			"Keyless SSL to clients that have a certificate, until SIGTERM or SIGINT. The configuration\n" +
			"is a gokeyless.yaml; the variables KEYLESS_PORT, KEYLESS_AUTH_CERT and so on go before it,\n" +
			"and flags before those. SIGHUP has keys and certificates read again. The line \"ready …\"\n" +
			"on standard output says that keys are served; the log goes to standard error.\n\n" +
			"A Holdfast server serves its own keys so too: its setting is keyless.listen.",
		Example: "  holdfast keyless --config /etc/keyless/gokeyless.yaml\n" +
			"  holdfast keyless --config gokeyless.yaml --listen 127.0.0.1:2407 --metrics-port -1",
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "the configuration file (a gokeyless.yaml)")
	flags.BoolVar(&check, "check-config", false, "only read the configuration and open the keys")
	flags.IntVar(&over.Port, "port", over.Port, "the port of all addresses; -1 for none")
	flags.IntVar(&over.MetricsPort, "metrics-port", over.MetricsPort, "the port of /metrics, of all addresses; -1 for none")
	flags.StringVar(&over.Listen, "listen", "", "an address in the place of --port")
	flags.StringVar(&over.MetricsListen, "metrics-listen", "", "an address in the place of --metrics-port")
	flags.StringVar(&over.Unix, "unix", "", "a Unix socket that is served too")
	flags.StringVar((*string)(&over.LogLevel), "loglevel", string(over.LogLevel), "debug, info, warning, error, critical, fatal, or 0 to 5")
	flags.StringVar(&over.AuthCert, "auth-cert", over.AuthCert, "a PEM file with the server's certificate")
	flags.StringVar(&over.AuthKey, "auth-key", over.AuthKey, "a PEM file with the key of that")
	flags.StringVar(&over.CloudflareCACert, "cloudflare-ca-cert", over.CloudflareCACert, "a PEM file with the authorities of clients")
	flags.StringVar(&over.PIDFile, "pid-file", "", "a file for the process's id")
	flags.StringVar(&over.AuditDir, "audit-dir", "", "a directory for the audit log")
	terminal.Require(cmd, "config")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		read := func() (*keyserver.Config, error) {
			return keyserver.Load(file, os.Getenv, func(c *keyserver.Config) { override(cmd, c, over) })
		}
		c, err := read()
		if err != nil {
			return terminal.Plain(err)
		}
		log := terminal.Logger(config.Log{Level: c.LogLevel.Name()}, a.Err)
		o := keyserver.Options{Config: c, Again: read, Log: log, Isolated: true}
		if check {
			return terminal.Plain(keyserver.Check(cmd.Context(), o))
		}
		return serve(cmd, a, o)
	}
	return cmd
}

// override takes the values of the flags that were given.
func override(cmd *cobra.Command, c, over *keyserver.Config) {
	text := func(flag string, to *string, value string) {
		if cmd.Flags().Changed(flag) {
			*to = value
		}
	}
	number := func(flag string, to *int, value int) {
		if cmd.Flags().Changed(flag) {
			*to = value
		}
	}
	number("port", &c.Port, over.Port)
	number("metrics-port", &c.MetricsPort, over.MetricsPort)
	text("listen", &c.Listen, over.Listen)
	text("metrics-listen", &c.MetricsListen, over.MetricsListen)
	text("unix", &c.Unix, over.Unix)
	text("loglevel", (*string)(&c.LogLevel), string(over.LogLevel))
	text("auth-cert", &c.AuthCert, over.AuthCert)
	text("auth-key", &c.AuthKey, over.AuthKey)
	text("cloudflare-ca-cert", &c.CloudflareCACert, over.CloudflareCACert)
	text("pid-file", &c.PIDFile, over.PIDFile)
	text("audit-dir", &c.AuditDir, over.AuditDir)
}

// serve serves until the process is told to stop.
func serve(cmd *cobra.Command, a *terminal.App, o keyserver.Options) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	s, err := keyserver.Open(ctx, o)
	if err != nil {
		return terminal.Plain(err)
	}
	ready := "ready " + s.Addr()
	if m := s.MetricsAddr(); m != "" {
		ready += " metrics " + m
	}
	if _, err := fmt.Fprintln(a.Out, ready); err != nil {
		return err
	}
	return s.Run(ctx, reload)
}
