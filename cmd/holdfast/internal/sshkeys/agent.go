package sshkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/sshkey"
)

// agentRequest is what the flags of ssh-agent say.
type agentRequest struct {
	keys, certificates []string
	socket             string
	verbose            bool
}

// NewAgent returns `holdfast ssh-agent`.
func NewAgent(t *terminal.App) *cobra.Command {
	a := &app{t}
	var r agentRequest
	cmd := &cobra.Command{
		Use: "ssh-agent [-- COMMAND [ARGUMENT]...]", Short: "Serve ssh, git and others with keys that stay where they are",
		Long: "Serve keys to ssh, git and whatever else looks at SSH_AUTH_SOCK. The agent lists its keys and\n" +
			"signs with them; none is added to it or removed. With a command it runs that and ends with\n" +
			"it; else it prints what a shell evaluates, and serves until it is interrupted.\n" + terminal.KeyURIHelp,
		Example: "  holdfast ssh-agent --key awskms:///alias/ssh -- ssh git@github.com\n" +
			"  holdfast ssh-agent --key pkcs11:token=yubikey;object=ssh --certificate id-cert.pub --socket ~/.ssh/agent.sock",
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&r.keys, "key", "k", nil, "the URI of a key (repeatable)")
	flags.StringArrayVar(&r.certificates, "certificate", nil, "a file with an SSH certificate for one of the keys (repeatable)")
	flags.StringVar(&r.socket, "socket", "", "where to listen; without it in a new folder of its own")
	flags.BoolVarP(&r.verbose, "verbose", "v", false, "tell of each signature on standard error")
	flags.SetInterspersed(false) // what follows the command is the command's
	terminal.Require(cmd, "key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var opened []*holdfast.Key
		defer func() {
			for _, k := range opened {
				_ = k.Close() // nothing is left to do with it
			}
		}()
		for _, uri := range r.keys {
			k, err := a.OpenKey(cmd.Context(), uri)
			if err != nil {
				return err
			}
			opened = append(opened, k)
		}
		agent, err := a.agent(&r, opened)
		if err != nil {
			return err
		}
		return a.serve(cmd.Context(), agent, r.socket, args)
	}
	return a.Connection(cmd)
}

// agent returns an agent with the keys and their certificates.
func (a *app) agent(r *agentRequest, opened []*holdfast.Key) (*sshkey.Agent, error) {
	keys := make([]sshkey.Key, len(opened))
	byPublic := map[string]*sshkey.Key{}
	for i, k := range opened {
		s, err := signer(k)
		if err != nil {
			return nil, err
		}
		keys[i] = sshkey.Key{Signer: s, Comment: k.URI()}
		byPublic[string(s.PublicKey().Marshal())] = &keys[i]
	}
	for _, path := range r.certificates {
		line, err := a.Read(path, maxLine)
		if err != nil {
			return nil, err
		}
		c, _, err := sshkey.ParseCertificate(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		k := byPublic[string(c.Key.Marshal())]
		switch {
		case k == nil:
			return nil, fmt.Errorf("%s: the certificate is for none of the keys", path)
		case k.Certificate != nil:
			return nil, fmt.Errorf("%s: there is another certificate for the key %s", path, k.Comment)
		}
		k.Certificate = c
	}
	agent, err := sshkey.NewAgent(keys...)
	if err != nil {
		return nil, err
	}
	level := slog.LevelWarn
	if r.verbose {
		level = slog.LevelInfo
	}
	agent.Log = slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: level}))
	return agent, nil
}

// serve serves until ctx or the command ends.
func (a *app) serve(ctx context.Context, agent *sshkey.Agent, socket string, command []string) error {
	if socket == "" {
		dir, err := os.MkdirTemp("", "holdfast-agent-") // mode 0700
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // it is temporary
		socket = filepath.Join(dir, "agent.sock")
	}
	l, err := sshkey.Listen(ctx, socket)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		err := a.Show(struct {
			Socket string `json:"ssh_auth_sock"`
		}{socket}, func(w *terminal.Table) { w.Row("SSH_AUTH_SOCK=" + quote(socket) + "; export SSH_AUTH_SOCK;") })
		if err != nil {
			return errors.Join(err, l.Close())
		}
		return agent.Serve(ctx, l)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- agent.Serve(ctx, l) }()
	err = a.run(ctx, command, socket)
	stop()
	return errors.Join(err, <-served)
}

// quote writes a path as a shell reads it.
func quote(path string) string {
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// run runs a command with the agent in its environment. Its exit status is
// only told apart from success.
func (a *app) run(ctx context.Context, command []string, socket string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the command is the user's own
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}
