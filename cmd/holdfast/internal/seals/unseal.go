package seals

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// NewUnseal returns `holdfast unseal`.
func NewUnseal(t *terminal.App) *cobra.Command {
	a := &app{t}
	var restart bool
	cmd := a.Connection(&cobra.Command{
		Use: "unseal", Short: "Bring a share to a sealed server", Args: cobra.NoArgs,
		Long: "Bring a share of the root key to a server that is sealed by shares. At a terminal the share\n" +
			"is asked for and not shown; else the lines of standard input are shares. The server begins to\n" +
			"serve with the last one that it needs; what was brought is forgotten after 15 minutes without\n" +
			"another. A wrong share is refused and changes nothing. No other credential is needed.\n\n" +
			"--restart has the server forget the shares that it has. It takes a share to ask for it, which\n" +
			"is not entered.",
		Example: "  holdfast unseal --addr https://kms.example.com:8443 --cacert ca.pem\n" +
			"  holdfast unseal --addr https://127.0.0.1:8443 < share-1.txt",
	})
	cmd.Flags().BoolVar(&restart, "restart", false, "have the server forget the shares that were brought")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.unseal(cmd.Context(), restart) }
	return cmd
}

// unseal brings one share of a person, or all of standard input.
func (a *app) unseal(ctx context.Context, restart bool) error {
	u, err := a.Unsealer()
	if err != nil {
		return err
	}
	s, err := u.Status(ctx)
	if err != nil {
		return terminal.Explain(err, u.Address())
	}
	input := &shareInput{t: &a.Terminal}
	for brought := 0; s.Sealed; brought++ {
		text, err := a.share(input, s)
		if errors.Is(err, io.EOF) && brought > 0 {
			return a.showProgress(s)
		}
		if err != nil {
			return err
		}
		s, err = bring(ctx, u, text, restart)
		clear(text)
		if err != nil {
			return terminal.Explain(err, u.Address())
		}
		if restart || a.Interactive() {
			return a.showProgress(s)
		}
	}
	return a.showProgress(s)
}

// bring sends a share.
func bring(ctx context.Context, u *client.Unsealer, share []byte, restart bool) (*client.SealStatus, error) {
	if restart {
		return u.Restart(ctx, share)
	}
	return u.Unseal(ctx, share)
}

// share returns the next share.
func (a *app) share(input *shareInput, s *client.SealStatus) ([]byte, error) {
	if !a.Interactive() {
		text, err := input.line()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("standard input has no share: %w", err)
		}
		return text, err
	}
	p := seal.Progress{Have: s.Have, Need: s.Need, Set: s.Set}
	if s.Since != nil {
		p.Since = s.Since.In(time.Local) //nolint:gosmopolitan // shown to the person here
	}
	return input.ask(p)
}
