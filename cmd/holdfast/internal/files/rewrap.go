package files

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// stoppable ends with its context.
type stoppable struct {
	ctx context.Context //nolint:containedctx // io.Reader has none
	io.Reader
}

// Read reads, unless the context has ended.
func (s stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, fmt.Errorf("interrupted: %w", err)
	}
	return s.Reader.Read(b)
}

// opened reads the header of an encrypted file.
func (a *app) opened(p *place, act func(*envelope.Envelope) error) error {
	in, err := a.Open(p.in)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	e, err := envelope.Open(in)
	if err != nil {
		return explain(p.in, err)
	}
	e.Timeout = a.Timeout()
	return explain(p.in, act(e))
}

// change is what rewrap is to do.
type change struct {
	add, remove []string
	renew       bool
}

// NewRewrap returns `holdfast rewrap`.
func NewRewrap(t *terminal.App) *cobra.Command {
	a := &app{t}
	var p place
	var with []string
	var c change
	cmd := &cobra.Command{
		Use: "rewrap [FILE]", Short: "Change for which keys an encrypted file is, without decrypting its data",
		Long: "Change for which keys an encrypted file is. Only its header is made anew: the data is copied\n" +
			"as it is. --renew has the keys of the file wrap it again, with their newest versions. The file\n" +
			"is replaced, unless --out names another one.\n\n" +
			"Who is removed cannot decrypt the new file; whoever kept the old one still can decrypt that.",
		Example: "  holdfast rewrap backup.tar.holdfast --add gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/backup\n" +
			"  holdfast rewrap backup.tar.holdfast --remove holdfast:///alias/old --key holdfast:///alias/new\n" +
			"  holdfast rewrap backup.tar.holdfast --renew",
	}
	p.flags(cmd, "FILE itself")
	keyFlag(cmd, &with)
	cmd.Flags().StringArrayVar(&c.add, "add", nil, "the URI of a key that is to decrypt the file too (repeatable)")
	cmd.Flags().StringArrayVar(&c.remove, "remove", nil, "the URI of a key that is not to decrypt it any more (repeatable)")
	cmd.Flags().BoolVar(&c.renew, "renew", false, "wrap again for the keys that stay: with their newest versions")
	cmd.MarkFlagsOneRequired("add", "remove", "renew")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.given(args)
		if err := p.target(same); err != nil {
			return err
		}
		return a.opened(&p, func(e *envelope.Envelope) error {
			ids, err := a.identities(with, e)
			if err != nil {
				return err
			}
			wanted, err := a.change(&c, e, ids)
			if err != nil {
				return err
			}
			return a.write(&p, false, func(out io.Writer) error { return e.Rewrap(cmd.Context(), out, *wanted, ids...) })
		})
	}
	return a.Connection(cmd)
}

// change returns what the flags ask for.
func (a *app) change(c *change, e *envelope.Envelope, ids []envelope.Identity) (*envelope.Change, error) {
	added, err := a.locate(c.add)
	if err != nil {
		return nil, err
	}
	wanted := &envelope.Change{Add: recipients(added)}
	for _, text := range c.remove {
		if u, err := holdfast.ParseURI(text); err == nil {
			text = u.String()
		}
		wanted.Remove = append(wanted.Remove, text)
	}
	if !c.renew {
		return wanted, nil
	}
	for _, stanza := range e.Recipients() {
		is := func(uri string) bool { return uri == stanza.URI }
		if slices.ContainsFunc(wanted.Remove, is) || slices.ContainsFunc(added, func(k *located) bool { return is(k.uri) }) {
			continue
		}
		named := slices.ContainsFunc(ids, func(id envelope.Identity) bool { _, ok := id.(*located); return ok && is(id.URI()) })
		if err := follow(stanza.URI); err != nil && !named {
			return nil, fmt.Errorf("wrapping again for %s: %w", stanza.URI, err)
		}
		wanted.Add = append(wanted.Add, &located{a, stanza.URI})
	}
	return wanted, nil
}

// NewInspect returns `holdfast inspect`.
func NewInspect(t *terminal.App) *cobra.Command {
	a := &app{t}
	p := place{}
	cmd := &cobra.Command{
		Use: "inspect [FILE]", Short: "Tell for which keys an encrypted file is, without decrypting it", Args: cobra.MaximumNArgs(1),
		Long: "Tell for which keys an encrypted file is. No key is asked, so nothing of this is proved: a\n" +
			"header that was changed shows when the file is decrypted.",
		Example: "  holdfast inspect backup.tar.holdfast",
	}
	cmd.Flags().StringVar(&p.in, "in", "-", "the file to read; - is standard input")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		p.given(args)
		return a.opened(&p, a.describe)
	}
	return cmd
}

// describe prints a header.
func (a *app) describe(e *envelope.Envelope) error {
	type description struct {
		Version    int               `json:"version"`
		ID         string            `json:"id"`
		Recipients []envelope.Stanza `json:"recipients"`
	}
	d := description{1, hex.EncodeToString(e.ID()), e.Recipients()}
	return a.Show(d, func(w *terminal.Table) {
		w.Fact("File", d.ID)
		w.Fact("Version", d.Version)
		w.Row("METHOD", "KEY")
		for _, s := range d.Recipients {
			w.Row(s.Method, s.URI)
		}
	})
}
