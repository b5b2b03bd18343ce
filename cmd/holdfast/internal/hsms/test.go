package hsms

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	hsmengine "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/key"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/trial"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// attempt is what came of trying a spec.
type attempt struct {
	Spec  string `json:"spec"`
	Usage string `json:"usage"`
	// Result is "ok", "not supported", or what failed.
	Result string  `json:"result"`
	Millis float64 `json:"milliseconds,omitempty"`

	failed bool
}

// verdict is what came of trying a token.
type verdict struct {
	State  string    `json:"state"`
	Label  string    `json:"label"`
	Model  string    `json:"model"`
	Trials []attempt `json:"trials"`
	// Gaps are what the token lacks and is done in another way.
	Gaps []gap `json:"gaps"`
}

type gap struct {
	Lacks   string `json:"lacks"`
	Instead string `json:"instead"`
}

func (a *app) test() *cobra.Command {
	var flags terminal.TokenFlags
	var uri string
	var slow bool
	cmd := &cobra.Command{
		Use: "test", Short: "Try a token from here, before a server is told of it", Args: cobra.NoArgs,
		Long: "Try a token from here, before a server is told of it: log in, make a key of each kind, use\n" +
			"it, check the result outside of the token, and destroy the key. Nothing stays on the token.\n" +
			"RSA keys above 2,048 bits are tried with --slow: some tokens take minutes to make one.",
		Example: "  holdfast hsm test --preset softhsm2 --hsm-label production --pin-file pin\n" +
			"  holdfast hsm test --module /usr/lib/libCryptoki2_64.so --uri 'pkcs11:serial=1234567'",
	}
	flags.Flags(cmd)
	cmd.Flags().StringVar(&uri, "uri", "", "the token's URI (RFC 7512), such as \"pkcs11:token=production\"")
	cmd.Flags().BoolVar(&slow, "slow", false, "try RSA keys of 3,072 and 4,096 bits as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		which := &pkcs11uri.URI{}
		if uri != "" {
			var err error
			if which, err = pkcs11uri.Parse(uri); err != nil {
				return terminal.WrongUsage(terminal.Plain(err))
			}
		}
		token, err := a.OpenToken(cmd.Context(), &flags, which)
		if err != nil {
			return err
		}
		v, err := tryToken(cmd.Context(), token, slow)
		if err := errors.Join(err, token.Close()); err != nil {
			return err
		}
		return a.showVerdict(v)
	}
	return cmd
}

func (a *app) showVerdict(v *verdict) error {
	err := a.Show(v, func(w *terminal.Table) {
		w.Fact("Token", v.Label)
		w.Fact("Model", v.Model)
		w.Row("SPEC", "USAGE", "RESULT", "TIME")
		for _, t := range v.Trials {
			took := "-"
			if t.Millis > 0 {
				took = fmt.Sprintf("%.1f ms", t.Millis)
			}
			w.Row(t.Spec, t.Usage, t.Result, took)
		}
		for _, g := range v.Gaps {
			w.Row("lacks " + g.Lacks + ": " + g.Instead)
		}
	})
	if err != nil {
		return err
	}
	for _, t := range v.Trials {
		if t.failed {
			return fmt.Errorf("the token fails with %s for %s", t.Spec, t.Usage)
		}
	}
	return nil
}

// tryToken tries every kind of key.
func tryToken(ctx context.Context, token *hsm.Token, slow bool) (*verdict, error) {
	h := token.Health()
	if h.State != hsm.StateOK {
		return nil, terminal.Hint(fmt.Errorf("the token cannot be used (%s): %w", h.State, terminal.Plain(h.Err)),
			"docs/hsm.md has a table of causes")
	}
	can, err := token.Capabilities(ctx)
	if err != nil {
		return nil, terminal.Plain(err)
	}
	root, err := seal.Ephemeral()
	if err != nil {
		return nil, err
	}
	e, err := hsmengine.New(token, seal.NewKeyring(root, mem.New()), hsmengine.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, terminal.Plain(err)
	}
	v := &verdict{State: string(h.State), Label: can.Token.Label, Model: can.Token.Model, Gaps: []gap{}}
	for _, kind := range trial.Kinds() {
		if slow || kind.Spec.Info().Family != alg.RSA || kind.Spec == alg.RSA2048 {
			v.Trials = append(v.Trials, try(ctx, e, kind))
		}
	}
	gaps, err := e.Gaps(ctx)
	if err != nil {
		return nil, terminal.Plain(err)
	}
	for _, g := range gaps {
		v.Gaps = append(v.Gaps, gap(g))
	}
	return v, nil
}

// try makes a key, uses it and destroys it.
func try(ctx context.Context, e *hsmengine.Engine, kind engine.Kind) attempt {
	t := attempt{Spec: aws.SpecName(kind.Spec), Usage: aws.UsageName(kind.Usage), Result: "ok"}
	if !e.Supports(kind.Spec, kind.Usage) {
		t.Result = "not supported"
		return t
	}
	r, err := trial.Use(ctx, e, key.DefaultRealm, kind)
	if err != nil {
		t.Result, t.failed = err.Error(), true
		return t
	}
	t.Millis = float64(r.Used.Microseconds()) / 1000
	return t
}
