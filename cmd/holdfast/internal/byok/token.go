package byok

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	hsmengine "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// openToken finds a key on a token. It stays there: the token encrypts it
// itself.
func (a *app) openToken(ctx context.Context, text string, f *terminal.TokenFlags) (_ source, err error) {
	uri, err := pkcs11uri.Parse(text)
	if err != nil {
		return nil, terminal.WrongUsage(terminal.Plain(err))
	}
	token, err := a.OpenToken(ctx, f, uri)
	if err != nil {
		return nil, err
	}
	l, keyring, err := newLocal("the token, as " + uri.String())
	if err != nil {
		return nil, errors.Join(err, token.Close())
	}
	l.closers = append(l.closers, token.Close)
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if h := token.Health(); h.State != hsm.StateOK {
		return nil, fmt.Errorf("the token cannot be used (%s): %w", h.State, terminal.Plain(h.Err))
	}
	e, err := hsmengine.New(token, keyring, hsmengine.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, terminal.Plain(err)
	}
	l.engine = e
	gaps, err := e.Gaps(ctx)
	if err != nil {
		return nil, terminal.Plain(err)
	}
	for _, g := range gaps {
		_ = a.Done("note: the token lacks %s: %s", g.Lacks, g.Instead) // the work goes on when nobody reads
	}
	object := pkcs11uri.URI{Object: uri.Object, ID: uri.ID, Class: uri.Class} // the token is found already
	if l.is, l.material, err = e.Adopt(ctx, l.ref, object.String()); err != nil {
		return nil, fmt.Errorf("finding the key on the token: %w", terminal.Plain(err))
	}
	return l, nil
}
