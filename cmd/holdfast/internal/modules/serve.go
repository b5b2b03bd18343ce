package modules

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/cryptoki"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/remote"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/socket"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// serveRequest is what the flags of serve say.
type serveRequest struct {
	file          string
	check         bool
	socket, label string
	keyless       []string
	keys, tags    []string
	noPIN         bool
	pinFile       string
	verbose       bool
}

func (a *app) serve() *cobra.Command {
	var r serveRequest
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve keys to the programs of this host that speak PKCS #11", Args: cobra.NoArgs,
		Long: "Serve keys at a Unix socket to programs that load p11-kit's client module,\n" +
			"p11-kit-client.so, as their PKCS #11 library. \"holdfast pkcs11 env\" says what to tell each of\n" +
			"them. The tokens come from the configuration, or there is one over the server that the flags\n" +
			"and variables name. A program's PIN is its credential, ACCESSKEYID:SECRET or, with --access-key-id,\n" +
			"the secret. With --pin-file it is one of your own, which programs can do with that take no long\n" +
			"ones, and with --no-pin there is none: they use the command's own credential then.\n" +
			"It runs until SIGTERM or SIGINT, takes systemd's socket where one is passed, prints a line\n" +
			"\"ready\" with the socket, and logs to standard error.",
		Example: "  holdfast pkcs11 serve --config /etc/holdfast/pkcs11.yaml\n" +
			"  holdfast pkcs11 serve --socket $XDG_RUNTIME_DIR/holdfast.sock --keyless-addr kms.example.com:2407",
	}
	flags := cmd.Flags()
	flags.StringVar(&r.file, "config", "", "the agent's configuration file (YAML); the other flags are for one token without it")
	flags.BoolVar(&r.check, "check-config", false, "only read the configuration")
	flags.StringVar(&r.socket, "socket", "", "where programs connect (default "+defaultSocketHelp+")")
	flags.StringVar(&r.label, "label", "holdfast", "the token's name")
	flags.StringSliceVar(&r.keyless, "keyless-addr", nil, "a key server to make signatures at, as HOST:PORT (repeatable)")
	flags.StringSliceVar(&r.keys, "key", nil, "only the key with this id or alias, in which * stands for anything (repeatable)")
	flags.StringSliceVar(&r.tags, "tag", nil, "only keys with this tag, as NAME=VALUE, which new ones get (repeatable)")
	flags.BoolVar(&r.noPIN, "no-pin", false, "use the command's own credential for every program that may open the socket")
	flags.StringVar(&r.pinFile, "pin-file", "", "use the command's own credential for programs that give the PIN in this file")
	flags.BoolVarP(&r.verbose, "verbose", "v", false, "log logins and what takes the slower way")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, tokens, err := a.settings(&r)
		if err != nil || r.check {
			return err
		}
		return a.run(cmd.Context(), c, tokens)
	}
	return cmd
}

// maxPIN is the longest PIN in bytes.
const maxPIN = 4096

const defaultSocketHelp = "/run/holdfast/pkcs11.sock, or holdfast/pkcs11.sock in $XDG_RUNTIME_DIR"

// settings returns what the configuration or the flags say, with the tokens.
func (a *app) settings(r *serveRequest) (*Config, []remote.Config, error) {
	if r.file != "" {
		return a.configured(r)
	}
	c := &Config{Socket: r.socket, Mode: 0o600, Log: config.Log{Level: "info"}}
	if c.Socket == "" {
		c.Socket = defaultSocket()
	}
	if r.verbose {
		c.Log.Level = "debug"
	}
	tags, err := terminal.TagsOf(r.tags)
	if err != nil {
		return nil, nil, err
	}
	server := a.Server()
	t := remote.Config{Label: r.label, Server: server, Own: r.noPIN || r.pinFile != "", AccessKeyID: server.AccessKeyID, Choice: remote.Choice{Keys: r.names(), Tags: tags}}
	if r.pinFile != "" {
		if t.PIN, err = a.Read(r.pinFile, maxPIN); err != nil {
			return nil, nil, err
		}
		t.PIN = bytes.TrimRight(t.PIN, "\r\n")
	}
	if len(r.keyless) > 0 {
		t.Keyless = &remote.Keyless{Servers: r.keyless}
	}
	if server.Address == "" {
		return nil, nil, terminal.Hint(errors.New("no server address: set "+client.EnvAddress), "source DIR/env, which \"holdfast dev --dir DIR\" writes, or give --config")
	}
	return c, []remote.Config{t}, nil
}

// names returns the keys of --key as the API names them.
func (r *serveRequest) names() []string {
	var list []string
	for _, k := range r.keys {
		list = append(list, terminal.KeyName(k))
	}
	return list
}

// configured reads the configuration file.
func (a *app) configured(r *serveRequest) (*Config, []remote.Config, error) {
	c, err := load(r.file)
	if err != nil {
		return nil, nil, terminal.Plain(err)
	}
	if r.socket != "" {
		c.Socket = r.socket
	}
	if r.verbose {
		c.Log.Level = "debug"
	}
	var tokens []remote.Config
	for i := range c.Slots {
		t, err := c.Slots[i].token(a.UserAgent)
		if err != nil {
			return nil, nil, fmt.Errorf("the slot %s: %w", c.Slots[i].Label, err)
		}
		tokens = append(tokens, t)
	}
	return c, tokens, nil
}

// run serves until ctx ends.
func (a *app) run(ctx context.Context, c *Config, tokens []remote.Config) (err error) {
	o := cryptoki.Options{Options: socket.Options{Connections: c.Applications, Log: terminal.Logger(c.Log, a.Err)}}
	if o.UIDs, err = c.uids(); err != nil {
		return err
	}
	for _, t := range tokens {
		t.Log = o.Log
		opened, openErr := remote.New(t)
		if openErr != nil {
			return fmt.Errorf("the token %s: %w", t.Label, openErr)
		}
		defer func() { err = errors.Join(err, opened.Close()) }()
		o.Slots = append(o.Slots, opened)
	}
	l, err := c.listen(ctx, os.Getenv)
	if err != nil {
		return err
	}
	if err := a.ready(ctx, c.where(l), o.Log); err != nil {
		return errors.Join(err, l.Close())
	}
	return cryptoki.Serve(ctx, l, o)
}

// ready says that the agent serves.
func (a *app) ready(ctx context.Context, socket string, log *slog.Logger) error {
	log.InfoContext(ctx, "serving PKCS #11", slog.String("socket", socket))
	return a.Show(struct {
		Ready string `json:"ready"`
	}{socket}, func(w *terminal.Table) { w.Row("ready " + socket) })
}
