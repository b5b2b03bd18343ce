package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// keyArgument is a command's key: its first argument, or --key.
type keyArgument struct{ flag string }

// add lets a command name a key.
func (k *keyArgument) add(a *app, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [KEY]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVarP(&k.flag, "key", "k", "", "the key: its id, alias (with or without \"alias/\") or ARN")
	cmd.ValidArgsFunction = a.KeyNames()
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	return cmd
}

// name returns the key's name as the API wants it.
func (k *keyArgument) name(args []string) (string, error) {
	switch {
	case len(args) > 0:
		return terminal.KeyName(args[0]), nil
	case k.flag != "":
		return terminal.KeyName(k.flag), nil
	}
	return "", terminal.WrongUsage(terminal.Hint(errors.New("no key is named"), "give its alias or id: --key KEY"))
}

// algorithmFor returns the algorithm that --algorithm names, or without it
// the only one that the key has.
func algorithmFor(ctx context.Context, c *client.Client, key, flag string, usage alg.Usage) (alg.Algorithm, error) {
	if flag != "" {
		return terminal.ParseAlgorithm(flag, usage)
	}
	k, err := c.Key(ctx, key)
	if err != nil {
		return alg.NoAlgorithm, err
	}
	if k.Usage != aws.UsageName(usage) {
		return alg.NoAlgorithm, terminal.Hint(fmt.Errorf("the key %s is for %s, not for %s", key, k.Usage, aws.UsageName(usage)),
			"a key has one usage for its life: make another one with \"holdfast key create --usage %s\"", aws.UsageName(usage))
	}
	if len(k.Algorithms) != 1 {
		return alg.NoAlgorithm, terminal.Usagef("the key %s has several algorithms: choose one with --algorithm: %s",
			key, strings.Join(k.Algorithms, ", "))
	}
	return terminal.ParseAlgorithm(k.Algorithms[0], usage)
}
