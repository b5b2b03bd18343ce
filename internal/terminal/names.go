package terminal

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// KeyName returns how the API names what a user calls a key: an id, an ARN
// and a name with "alias/" stay, anything else is an alias.
func KeyName(name string) string {
	if _, err := uuid.Parse(name); err == nil || strings.HasPrefix(name, "arn:") || strings.Count(name, "/") == 2 {
		return name
	}
	return AliasName(name)
}

// AliasName puts "alias/" before an alias that lacks it.
func AliasName(name string) string {
	if strings.HasPrefix(name, "alias/") {
		return name
	}
	return "alias/" + name
}

// CheckSpec refuses the name of a key spec that is not known.
func CheckSpec(name string) error {
	return CheckName("key spec", name, SpecNames(), func(s string) bool { return alg.ParseSpec(s) != alg.NoSpec })
}

// ParseSpec returns the spec of a name that CheckSpec has passed.
func ParseSpec(name string) alg.Spec {
	if s, ok := aws.ParseSpec(name); ok {
		return s
	}
	return alg.ParseSpec(name)
}

// ParseUsage returns the usage of a name, NoUsage of one that is not known.
func ParseUsage(name string) alg.Usage {
	if u, ok := aws.ParseUsage(name); ok {
		return u
	}
	return alg.ParseUsage(name)
}

// ParseAlgorithm returns the algorithm of a name.
func ParseAlgorithm(name string, usage alg.Usage) (alg.Algorithm, error) {
	short := alg.ParseAlgorithm(name)
	known := func(string) bool {
		return short.Info().Usage == usage && short != alg.NoAlgorithm || slices.Contains(furtherNames(usage), name)
	}
	if err := CheckName("algorithm", name, AlgorithmNames(usage), known); err != nil {
		return alg.NoAlgorithm, err
	}
	if short != alg.NoAlgorithm {
		return short, nil
	}
	a, _ := aws.ParseAlgorithm(name) // checkName knows it
	return a, nil
}

// AliasesOf returns the names of every alias by the id of its key.
func AliasesOf(ctx context.Context, c *client.Client) (map[string][]string, error) {
	names := map[string][]string{}
	err := Pages(func(p client.Page) (string, error) {
		l, err := c.Aliases(ctx, "", p)
		if err != nil {
			return "", err
		}
		for _, alias := range l.Aliases {
			names[alias.KeyID] = append(names[alias.KeyID], alias.Name)
		}
		return l.Next, nil
	})
	return names, err
}

// ShortAliases lists aliases without what they all begin with.
func ShortAliases(names []string) string {
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = strings.TrimPrefix(n, "alias/")
	}
	return strings.Join(short, ", ")
}

// LivesIn says where a key is, in words.
func LivesIn(k *client.Key) string {
	switch {
	case k.Store != "":
		return "the key store " + k.Store
	case k.Provider != "":
		return "the provider " + k.Provider
	case k.HSM != "":
		return "the HSM " + k.HSM
	}
	return "the server's own store"
}
