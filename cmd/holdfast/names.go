package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// keyName returns how the API names what a user calls a key: an id, an ARN
// and a name with "alias/" stay, anything else is an alias.
func keyName(name string) string {
	if _, err := uuid.Parse(name); err == nil || strings.HasPrefix(name, "arn:") || strings.Count(name, "/") == 2 {
		return name
	}
	return aliasName(name)
}

// aliasName puts "alias/" before an alias that lacks it.
func aliasName(name string) string {
	if strings.HasPrefix(name, "alias/") {
		return name
	}
	return "alias/" + name
}

// keyArgument is a command's key: its first argument, or --key.
type keyArgument struct{ flag string }

// add lets a command name a key.
func (k *keyArgument) add(a *app, cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [KEY]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVarP(&k.flag, "key", "k", "", "the key: its id, alias (with or without \"alias/\") or ARN")
	cmd.ValidArgsFunction = a.keyNames()
	terminal.CompleteBy(cmd, "key", a.keyNames())
	return cmd
}

// name returns the key's name as the API wants it.
func (k *keyArgument) name(args []string) (string, error) {
	switch {
	case len(args) > 0:
		return keyName(args[0]), nil
	case k.flag != "":
		return keyName(k.flag), nil
	}
	return "", terminal.WrongUsage(terminal.Hint(errors.New("no key is named"), "give its alias or id: --key KEY"))
}

func checkSpec(name string) error {
	return terminal.CheckName("key spec", name, specNames(), func(s string) bool { return alg.ParseSpec(s) != alg.NoSpec })
}

// parseAlgorithm returns the algorithm of a name.
func parseAlgorithm(name string, usage alg.Usage) (alg.Algorithm, error) {
	short := alg.ParseAlgorithm(name)
	if err := terminal.CheckName("algorithm", name, algorithmNames(usage), func(string) bool { return short.Info().Usage == usage && short != alg.NoAlgorithm }); err != nil {
		return alg.NoAlgorithm, err
	}
	if short != alg.NoAlgorithm {
		return short, nil
	}
	a, _ := aws.ParseAlgorithm(name) // checkName knows it
	return a, nil
}

// algorithmFor returns the algorithm that --algorithm names, or without it
// the only one that the key has.
func algorithmFor(ctx context.Context, c *client.Client, key, flag string, usage alg.Usage) (alg.Algorithm, error) {
	if flag != "" {
		return parseAlgorithm(flag, usage)
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
	return parseAlgorithm(k.Algorithms[0], usage)
}

// tagsOf reads NAME=VALUE flags as tags.
func tagsOf(texts []string) ([]client.Tag, error) {
	if _, err := terminal.Pairs("tag", texts); err != nil {
		return nil, err
	}
	tags := make([]client.Tag, len(texts))
	for i, text := range texts {
		tags[i].Key, tags[i].Value, _ = strings.Cut(text, "=")
	}
	return tags, nil
}
