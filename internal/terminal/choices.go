package terminal

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// KeyNames completes keys by their aliases.
func (a *App) KeyNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Aliases(ctx, "", client.Page{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, alias := range l.Aliases {
			names = append(names, strings.TrimPrefix(alias.Name, "alias/"))
		}
		return names, nil
	})
}

// HSMNames completes tokens and groups of them.
func (a *App) HSMNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.HSMs(ctx)
		for _, h := range l {
			names = append(names, cobra.CompletionWithDesc(h.Name, h.Kind+", "+h.State))
		}
		return names, err
	})
}

// ProviderNames completes providers.
func (a *App) ProviderNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Providers(ctx)
		for _, p := range l {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Place+", "+p.State))
		}
		return names, err
	})
}

// AuthorityNames completes authorities by their names.
func (a *App) AuthorityNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Authorities(ctx, client.Page{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, authority := range l.Authorities {
			names = append(names, authority.Name)
		}
		return names, nil
	})
}

// ProfileNames completes profiles.
func (a *App) ProfileNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Profiles(ctx)
		for _, p := range l {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Description))
		}
		return names, err
	})
}

// UserNames completes users by their names.
func (a *App) UserNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Users(ctx, client.Page{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, u := range l.Users {
			names = append(names, u.Name)
		}
		return names, nil
	})
}

// RoleNames completes roles by their names.
func (a *App) RoleNames() Choices {
	return Asked(a.Connect, func(ctx context.Context, c *client.Client) (names []string, err error) {
		l, err := c.Roles(ctx, client.Page{Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, r := range l.Roles {
			names = append(names, r.Name)
		}
		return names, nil
	})
}

// SpecNames are the specs in AWS's spelling.
func SpecNames() []string {
	var names []string
	for _, s := range alg.Specs() {
		names = append(names, aws.SpecName(s))
	}
	return names
}

// AlgorithmNames are the algorithms for a usage in AWS's spelling.
func AlgorithmNames(u alg.Usage) []string {
	var names []string
	for _, algorithm := range alg.Algorithms() {
		if algorithm.Info().Usage == u {
			names = append(names, aws.AlgorithmName(algorithm))
		}
	}
	return names
}

// furtherNames are the further algorithms for a usage, which no help lists and
// which commands take all the same; of a raw AES key they are all that it has.
func furtherNames(u alg.Usage) []string {
	var names []string
	for _, algorithm := range alg.FurtherAlgorithms() {
		if algorithm.Info().Usage == u {
			names = append(names, aws.AlgorithmName(algorithm))
		}
	}
	return names
}

// UsageNames are the usages in AWS's spelling.
func UsageNames() []string {
	var names []string
	for _, u := range alg.Usages() {
		names = append(names, aws.UsageName(u))
	}
	return names
}

// ReasonNames are the reasons for a revocation (RFC 5280 section 5.3.1).
func ReasonNames() []string {
	var names []string
	for _, r := range ca.Reasons() {
		names = append(names, r.String())
	}
	return names
}
