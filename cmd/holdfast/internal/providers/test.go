package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/providers"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// attempt is what came of trying a provider, or a kind of key in it.
type attempt struct {
	Spec  string `json:"spec,omitempty"`
	Usage string `json:"usage,omitempty"`
	client.ProviderTrial
}

// tester tries a provider, wherever its engine is.
type tester struct {
	makes func(context.Context) ([]client.ProviderKind, error)
	test  func(context.Context, *client.TestProviderRequest) (*client.ProviderTrial, error)
}

// wanted says what is to be tried.
type wanted struct {
	file        string
	spec, usage string
	all, slow   bool
}

func (a *app) test() *cobra.Command {
	var w wanted
	name := a.provider()
	cmd := name.Add(&cobra.Command{
		Use: "test", Short: "Try a key service, from the server or from here",
		Long: "Try a key service. Without more it is reached, and nothing is made in it. With --all, or --spec, a\n" +
			"key of each kind is made there, used, checked outside of the service, and destroyed. Services take\n" +
			"their time for the last step, and may want money for it: AWS keeps a destroyed key for 7 days\n" +
			"at least.\n" +
			"With --config it is tried from here, before a server is told of it. RSA keys above 2,048 bits\n" +
			"are tried with --slow.",
		Example: "  holdfast provider test aws-prod\n" +
			"  holdfast provider test aws-prod --spec ECC_NIST_P256 --usage SIGN_VERIFY\n" +
			"  holdfast provider test google --config holdfast.yaml --all",
	})
	flags := cmd.Flags()
	flags.StringVar(&w.file, "config", "", "the configuration file (YAML) that has the provider: it is tried from here")
	flags.StringVar(&w.spec, "spec", "", "make and use a key of this type and size")
	flags.StringVar(&w.usage, "usage", "", "what that is for; needed where the spec has several usages (RSA)")
	flags.BoolVar(&w.all, "all", false, "make and use a key of every kind that the service makes")
	flags.BoolVar(&w.slow, "slow", false, "RSA keys of 3,072 and 4,096 bits as well")
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
	cmd.MarkFlagsMutuallyExclusive("all", "spec")
	try := func(ctx context.Context, t *tester) error { return a.try(ctx, t, &w) }
	remote := a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		return try(ctx, fromServer(c, name))
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if w.file == "" {
			return remote(cmd, args)
		}
		return fromHere(cmd.Context(), w.file, strings.Join(append(args, name.Name)[:1], ""), try)
	}
	return cmd
}

// fromServer returns what tries a provider of a server.
func fromServer(c *client.Client, name string) *tester {
	return &tester{
		makes: func(ctx context.Context) ([]client.ProviderKind, error) {
			p, err := c.Provider(ctx, name)
			if err != nil {
				return nil, err
			}
			return p.Makes, nil
		},
		test: func(ctx context.Context, req *client.TestProviderRequest) (*client.ProviderTrial, error) {
			return c.TestProvider(ctx, name, req)
		},
	}
}

// fromHere tries a provider of a configuration file. What it makes is of no
// realm, and nothing of it is kept.
func fromHere(ctx context.Context, file, name string, try func(context.Context, *tester) error) (err error) {
	c, err := config.Load(file)
	if err != nil {
		return terminal.Plain(err)
	}
	var chosen []config.Provider
	for i := range c.Providers {
		if c.Providers[i].Name == name || name == "" && len(c.Providers) == 1 {
			chosen = append(chosen, c.Providers[i])
		}
	}
	switch {
	case len(chosen) == 0 && name == "" && len(c.Providers) > 1:
		return terminal.Usagef("the configuration %s has several providers: name one of them", file)
	case len(chosen) == 0:
		return terminal.Usagef("the configuration %s has no provider %q", file, name)
	}
	root, err := seal.Ephemeral()
	if err != nil {
		return err
	}
	opened, err := providers.Open(ctx, chosen, seal.NewKeyring(root, mem.New()), slog.New(slog.DiscardHandler))
	if err != nil {
		return terminal.Plain(err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return try(ctx, &tester{
		makes: func(context.Context) ([]client.ProviderKind, error) { return opened.Makes(chosen[0].Name) },
		test: func(ctx context.Context, req *client.TestProviderRequest) (*client.ProviderTrial, error) {
			trial, err := opened.Test(ctx, chosen[0].Name, req)
			return trial, terminal.Plain(err)
		},
	})
}

// try tries what is wanted and shows what came of it.
func (a *app) try(ctx context.Context, t *tester, w *wanted) error {
	kinds, err := w.kinds(ctx, t)
	if err != nil {
		return err
	}
	all := []attempt{}
	for _, k := range kinds {
		trial, err := t.test(ctx, &client.TestProviderRequest{Spec: k.Spec, Usage: k.Usage})
		if err != nil {
			return err
		}
		all = append(all, attempt{k.Spec, k.Usage, *trial})
	}
	err = a.Show(all, func(table *terminal.Table) {
		table.Row("SPEC", "USAGE", "RESULT", "MADE IN", "USED IN")
		for i := range all {
			at := &all[i]
			table.Row(terminal.OrDash(at.Spec), terminal.OrDash(at.Usage), at.result(), took(at.MadeMicros), took(at.Micros))
		}
	})
	if err != nil {
		return err
	}
	for i := range all {
		if !all[i].OK {
			return fmt.Errorf("the provider fails: %s", all[i].result())
		}
	}
	return nil
}

// kinds returns what is to be tried: the zero kind stands for reaching the
// service.
func (w *wanted) kinds(ctx context.Context, t *tester) ([]client.ProviderKind, error) {
	switch {
	case w.spec != "":
		if err := terminal.CheckSpec(w.spec); err != nil {
			return nil, err
		}
	case !w.all:
		return []client.ProviderKind{{}}, nil
	}
	makes, err := t.makes(ctx)
	if err != nil {
		return nil, err
	}
	var kinds []client.ProviderKind
	for _, k := range makes {
		large := k.Spec == "RSA_3072" || k.Spec == "RSA_4096"
		asked := terminal.ParseSpec(k.Spec) == terminal.ParseSpec(w.spec) && (w.usage == "" || w.usage == k.Usage)
		if asked || w.all && (w.slow || !large) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return nil, fmt.Errorf("the provider makes no keys of spec %q for %q", w.spec, w.usage)
	}
	return kinds, nil
}

// result says in a line what came of an attempt.
func (t *attempt) result() string {
	switch {
	case !t.OK && t.Cause != "":
		return t.Failure + " (" + t.Cause + ")"
	case !t.OK:
		return t.Failure
	case len(t.Lacks) > 0:
		return "ok, but for " + strings.Join(t.Lacks, ", ")
	}
	return "ok"
}

func took(micros int64) string {
	if micros == 0 {
		return "-"
	}
	return (time.Duration(micros) * time.Microsecond).String()
}
