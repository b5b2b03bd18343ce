package seals

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast seal`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return terminal.Group("seal", "Show and change how the root key is kept",
		a.status(), a.split(), a.rotate(),
		terminal.Group("recovery", "Keep the root key for the day when its seal is lost", a.recoveryCreate(), a.recoveryInspect(), a.recoveryRestore()))
}

func (a *app) status() *cobra.Command {
	var p place
	cmd := a.Connection(&cobra.Command{
		Use: "status", Short: "Show how a root key is sealed, or whether a server is", Args: cobra.NoArgs,
		Long: "With --data, show how the root key of a data directory is kept: it is read from the\n" +
			"directory, needs no credential, and works while it is served. Without it, ask a server\n" +
			"whether it is sealed, and how many shares have come.",
		Example: "  holdfast seal status --data /var/lib/holdfast\n  holdfast seal status --addr https://kms.example.com:8443",
	})
	p.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if p.data == "" && p.file == "" {
			return a.remoteStatus(cmd.Context())
		}
		c, err := p.settings()
		if err != nil {
			return err
		}
		s, err := seal.Inspect(c.Data)
		if err != nil {
			return err
		}
		return a.showStatus(s)
	}
	return cmd
}

func (a *app) showStatus(s *seal.Status) error {
	err := a.Show(s, func(w *terminal.Table) {
		w.Fact("Installation", s.Installation)
		for _, way := range s.Ways {
			w.Fact("Sealed", describe(&way))
			w.Fact("Since", way.CreatedAt)
			w.Fact("Root key", strings.Join(way.RootKeys, ", "))
		}
	})
	if err == nil && len(s.Ways) > 1 {
		err = a.Done("A change of the seal is under way, or was interrupted: both ways open it. \"holdfast seal rotate\" ends that.")
	}
	return err
}

// describe says in words how a root key is kept.
func describe(w *seal.WayStatus) string {
	switch w.Method {
	case seal.InFile:
		return "in a file, unprotected"
	case seal.UnderPassphrase:
		return "under a passphrase"
	case seal.UnderShares:
		return fmt.Sprintf("by shares: %d of %d, set %s", w.Threshold, w.Shares, w.Set)
	case seal.UnderHSM:
		return fmt.Sprintf("by the key %q of the token %q", w.Key, w.Token)
	}
	return string(w.Method)
}

func (a *app) remoteStatus(ctx context.Context) error {
	u, err := a.Unsealer()
	if err != nil {
		return err
	}
	s, err := u.Status(ctx)
	if err != nil {
		return terminal.Explain(err, u.Address())
	}
	return a.showProgress(s)
}

// showProgress tells how far an unsealing has come.
func (a *app) showProgress(s *client.SealStatus) error {
	return a.Show(s, func(w *terminal.Table) {
		if !s.Sealed {
			w.Row("unsealed")
			return
		}
		w.Row(fmt.Sprintf("sealed: %d of %d shares of set %s", s.Have, s.Need, s.Set))
	})
}

const changeHelp = "The directory must not be served. What opened it before no longer does afterwards; when it is\n" +
	"interrupted, what opened it before still does, and the same command is run again.\n\n" +
	"--root-key replaces the root key itself and re-encrypts everything under it: for when it may\n" +
	"be known to somebody. Temporary sessions end with it, and recovery packages have to be made anew."

func (a *app) split() *cobra.Command {
	var p place
	f := Flags{Method: string(seal.UnderShares)}
	var r rotation
	cmd := &cobra.Command{
		Use: "split", Short: "Seal a data directory by shares for people", Args: cobra.NoArgs,
		Long: "Split the key that seals a data directory into shares, any --threshold of which unseal it:\n" +
			"a server then starts sealed, until \"holdfast unseal\" has brought that many. The shares are\n" +
			"printed once, or written to files with --shares-dir.\n\n" + changeHelp,
		Example: "  holdfast seal split --data /var/lib/holdfast --shares 5 --threshold 3\n" +
			"  holdfast seal split --data /var/lib/holdfast --shares 3 --threshold 2 --shares-dir /media/stick --root-key",
	}
	p.add(cmd)
	f.addShares(cmd)
	r.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.change(cmd, &p, &f, &r) }
	return cmd
}

// rotation is the flags of a change of the seal.
type rotation struct {
	root, yes  bool
	phraseFile string
}

func (r *rotation) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.root, "root-key", false, "replace the root key itself as well")
	terminal.YesFlag(cmd, &r.yes)
}

func (a *app) rotate() *cobra.Command {
	var p place
	var f Flags
	var r rotation
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make new shares, a new passphrase or wrapping, or change the kind of seal", Args: cobra.NoArgs,
		Long: "Seal a data directory anew: with new shares, a new passphrase or a new wrapping by the HSM,\n" +
			"or with --seal by another method.\n\n" + changeHelp,
		Example: "  holdfast seal rotate --data /var/lib/holdfast --root-key\n" +
			"  holdfast seal rotate --data /var/lib/holdfast --seal passphrase --new-passphrase-file new\n" +
			"  holdfast seal rotate --config /etc/holdfast.yaml --seal hsm --hsm luna",
	}
	p.add(cmd)
	f.Add(cmd, "")
	r.add(cmd)
	cmd.Flags().StringVar(&r.phraseFile, "new-passphrase-file", "", "with --seal passphrase: a file with the new passphrase, instead of typing it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.change(cmd, &p, &f, &r) }
	return cmd
}

// change changes the seal of a data directory.
func (a *app) change(cmd *cobra.Command, p *place, f *Flags, r *rotation) (err error) {
	ctx := cmd.Context()
	c, err := p.settings()
	if err != nil {
		return err
	}
	status, err := seal.Inspect(c.Data)
	if err != nil {
		return err
	}
	f.like(cmd, status)
	if err := f.check(); err != nil {
		return err
	}
	if err := a.Confirm(r.yes, "Change the seal of %s, so that what opens it now no longer does", directory(&c)); err != nil {
		return err
	}
	o, err := Open(ctx, &c, &a.Terminal)
	if err != nil {
		return err
	}
	defer o.Close()
	plan, end, err := f.Plan(ctx, &c, &a.Terminal, func() ([]byte, error) { return a.nextPassphrase(r, &c) })
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	if err != nil {
		return err
	}
	err = server.ChangeSeal(ctx, c, o, server.SealChange{Plan: plan, ReplaceRoot: r.root, Deliver: f.Deliver(&a.Terminal)})
	if err != nil {
		return err
	}
	if status, err = seal.Inspect(c.Data); err != nil {
		return err
	}
	text := "%s is sealed %s."
	if r.root {
		text += " Its root key is a new one: make new recovery packages and a new backup."
	}
	return a.Done(text, directory(&c), describe(&status.Ways[0]))
}

// like takes from the present seal what the command line leaves open.
func (f *Flags) like(cmd *cobra.Command, s *seal.Status) {
	now := s.Ways[0]
	if f.Method == "" {
		f.Method = string(now.Method)
	}
	if f.Method != string(now.Method) {
		return
	}
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	if now.Method == seal.UnderShares && !given("shares") && !given("threshold") {
		f.shares, f.threshold = now.Shares, now.Threshold
	}
	if now.Method == seal.UnderHSM && !given("hsm") {
		f.hsm = now.Token
		if !given("hsm-key") {
			f.hsmKey = now.Key
		}
	}
}

// nextPassphrase returns the passphrase that takes the place of another one:
// never the one of the environment, which opens the seal as it is.
func (a *app) nextPassphrase(r *rotation, c *config.Config) ([]byte, error) {
	if r.phraseFile != "" {
		return a.Passphrase(r.phraseFile)
	}
	return newPassphrase(&a.Terminal, "New passphrase for "+directory(c),
		"a new passphrase is needed: give a file with it by --new-passphrase-file, or start from a terminal")
}

// NewBackup returns `holdfast backup`.
func NewBackup(t *terminal.App) *cobra.Command {
	a := &app{t}
	var p place
	var out string
	cmd := &cobra.Command{
		Use: "backup", Short: "Copy a data directory's store, while it is served or not", Args: cobra.NoArgs,
		Long: "Write a consistent copy of the store of a data directory to a new file: keys, authorities,\n" +
			"certificates and users as of one moment. A server may be serving it meanwhile. What is secret\n" +
			"stays encrypted: a backup is worth nothing without the root key, so keep seal.json with it and\n" +
			"what opens that, or a recovery package. Nothing is needed to make one but to read the\n" +
			"directory, and no audit entry is left. The audit log is plain files: copy them as they are.\n\n" +
			"To restore, put the file into a directory as holdfast.db, beside seal.json and what it needs;\n" +
			"or use \"holdfast seal recovery restore\".",
		Example: "  holdfast backup --data /var/lib/holdfast --out /backup/holdfast-$(date +%F).db",
	}
	p.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "the file to write, which must not exist")
	terminal.Require(cmd, "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.settings()
		if err != nil {
			return err
		}
		if !seal.Exists(c.Data) {
			return terminal.Usagef("%s is not a data directory: name one with --data", directory(&c))
		}
		if err := server.Backup(cmd.Context(), c, out); err != nil {
			return err
		}
		info, err := os.Stat(out)
		if err != nil {
			return err
		}
		return a.Done("%s has %d bytes.", out, info.Size())
	}
	return cmd
}
