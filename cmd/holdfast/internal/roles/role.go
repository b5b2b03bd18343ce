// Package roles has the commands of the nouns role and issuer: roles, who may
// assume them, and the issuers of web identities.
//
// Start with New and NewIssuer. The package is internal and may change with any
// release.
package roles

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast role`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("role", "Manage roles, and act as one",
		a.create(), a.list(), a.show(), a.update(), a.remove(), a.assume(),
		terminal.Group("policy", "Manage what a role's sessions may do", a.policyPut(), a.policyDelete()),
		terminal.Group("trust", "Manage who may assume a role", a.trustPut())))
}

// role is a command's role: its first argument, or --role.
func (a *app) role() *terminal.Argument {
	return &terminal.Argument{
		Word: "ROLE", Flag: "role", Help: "the role's name, with its path or without", Names: a.RoleNames(),
		Missing: "no role is named: give its name with --role",
	}
}

// policyFile adds --in to a command that reads a policy.
func policyFile(cmd *cobra.Command, in *string) {
	cmd.Flags().StringVar(in, "in", "-", "the file with the policy; - is standard input")
}

// readPolicy reads a policy from a file.
func (a *app) readPolicy(in string) (client.Policy, error) {
	text, err := a.Read(in, terminal.MaxDocument)
	return client.Policy{Document: string(text)}, err
}

func (a *app) create() *cobra.Command {
	role := a.role()
	var trust, description string
	var longest time.Duration
	var tags []string
	cmd := role.Add(&cobra.Command{
		Use: "create", Short: "Add a role, whose sessions may do nothing yet",
		Example: "  holdfast role create ops/signer --trust trust.json\n" +
			"  holdfast role policy put ops/signer --policy-name sign --in sign.json",
	})
	f := cmd.Flags()
	f.StringVar(&trust, "trust", "-", "the file with the trust policy: who may assume the role; - is standard input")
	f.StringVar(&description, "description", "", "what the role is for")
	f.DurationVar(&longest, "max-session", time.Hour, "how long a session may be, at most 12h")
	f.StringArrayVar(&tags, "tag", nil, "a tag of the role and its sessions, NAME=VALUE; repeatable")
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		doc, err := a.readPolicy(trust)
		if err != nil {
			return err
		}
		given, err := terminal.TagsOf(tags)
		if err != nil {
			return err
		}
		r, err := c.CreateRole(ctx, &client.CreateRoleRequest{
			Name: name, Description: description, Trust: doc, MaxSessionSeconds: int(longest / time.Second), Tags: given,
		})
		if err != nil {
			return err
		}
		return a.showRole(r)
	})
	return cmd
}

func (a *app) showRole(r *client.Role) error {
	return a.Show(r, func(w *terminal.Table) {
		w.Fact("Role", r.Name)
		w.Fact("Id", r.ID)
		w.Fact("Realm", r.Realm)
		if r.Description != "" {
			w.Fact("Description", r.Description)
		}
		w.Fact("Longest session", time.Duration(r.MaxSessionSeconds)*time.Second)
		w.Fact("Created", r.CreatedAt)
		for _, t := range r.Tags {
			w.Fact("Tag", t.Key+"="+t.Value)
		}
		for _, p := range r.Policies {
			w.Fact("Policy", p.Name)
		}
	})
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List roles", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Role, string, error) {
			l, err := c.Roles(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Roles, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ROLE", "ID", "POLICIES", "CREATED", "DESCRIPTION")
			for _, r := range all {
				w.Row(r.Name, r.ID, len(r.Policies), r.CreatedAt, r.Description)
			}
		})
	})
	return cmd
}

func (a *app) show() *cobra.Command {
	role := a.role()
	cmd := role.Add(&cobra.Command{Use: "show", Short: "Show a role; with --json the policies' texts too"})
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		r, err := c.Role(ctx, name)
		if err != nil {
			return err
		}
		return a.showRole(r)
	})
	return cmd
}

func (a *app) update() *cobra.Command {
	role := a.role()
	var description string
	var longest time.Duration
	cmd := role.Add(&cobra.Command{Use: "update", Short: "Change what a role says of itself"})
	cmd.Flags().StringVar(&description, "description", "", "what the role is for")
	cmd.Flags().DurationVar(&longest, "max-session", time.Hour, "how long a session may be, at most 12h")
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		var change client.UpdateRoleRequest
		if cmd.Flags().Changed("description") {
			change.Description = &description
		}
		if cmd.Flags().Changed("max-session") {
			seconds := int(longest / time.Second)
			change.MaxSessionSeconds = &seconds
		}
		r, err := c.UpdateRole(ctx, name, &change)
		if err != nil {
			return err
		}
		return a.showRole(r)
	})
	return cmd
}

func (a *app) remove() *cobra.Command {
	role := a.role()
	var yes bool
	cmd := role.Add(&cobra.Command{Use: "delete", Short: "Remove a role with its policies, and end its sessions"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the role %s and end its sessions", name); err != nil {
			return err
		}
		if err := c.DeleteRole(ctx, name); err != nil {
			return err
		}
		return a.Done("the role %s is removed", name)
	})
	return cmd
}

func (a *app) policyPut() *cobra.Command {
	role := a.role()
	var policy, in string
	cmd := role.Add(&cobra.Command{Use: "put", Short: "Add or replace a policy of a role; it holds for its sessions at once"})
	cmd.Flags().StringVar(&policy, "policy-name", "", "the policy's name")
	policyFile(cmd, &in)
	terminal.Require(cmd, "policy-name")
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		doc, err := a.readPolicy(in)
		if err != nil {
			return err
		}
		if err := c.PutRolePolicy(ctx, name, policy, doc); err != nil {
			return err
		}
		return a.Done("%s has the policy %s", name, policy)
	})
	return cmd
}

func (a *app) policyDelete() *cobra.Command {
	role := a.role()
	var policy string
	var yes bool
	cmd := role.Add(&cobra.Command{Use: "delete", Short: "Remove a policy of a role"})
	cmd.Flags().StringVar(&policy, "policy-name", "", "the policy's name")
	terminal.Require(cmd, "policy-name")
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the policy %s of the role %s", policy, name); err != nil {
			return err
		}
		if err := c.DeleteRolePolicy(ctx, name, policy); err != nil {
			return err
		}
		return a.Done("%s has the policy %s no more", name, policy)
	})
	return cmd
}

func (a *app) trustPut() *cobra.Command {
	role := a.role()
	var in string
	cmd := role.Add(&cobra.Command{Use: "put", Short: "Say anew who may assume a role; the sessions that there are stay"})
	policyFile(cmd, &in)
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) error {
		doc, err := a.readPolicy(in)
		if err != nil {
			return err
		}
		if err := c.PutTrustPolicy(ctx, name, doc); err != nil {
			return err
		}
		return a.Done("%s has another trust policy", name)
	})
	return cmd
}

func (a *app) assume() *cobra.Command {
	role := a.role()
	var length time.Duration
	var tags []string
	var policy string
	var ask client.AssumeRoleRequest
	cmd := role.Add(&cobra.Command{
		Use: "assume", Short: "Make temporary credentials of a role",
		Example: "  eval \"$(holdfast role assume ops/signer --session release-42)\"",
	})
	f := cmd.Flags()
	f.StringVar(&ask.Session, "session", "holdfast-cli", "the session's name, which the audit log has")
	f.DurationVar(&length, "duration", time.Hour, "how long they hold")
	f.StringVar(&ask.Realm, "realm", "", "the role's realm, when it is not your own")
	f.StringVar(&ask.ExternalID, "external-id", "", "what the role's owner agreed on with you")
	f.StringVar(&ask.SourceIdentity, "source-identity", "", "who is behind the session")
	f.StringVar(&policy, "policy", "", "a file with a policy that limits the session further")
	f.StringArrayVar(&tags, "tag", nil, "a tag of the session, NAME=VALUE; repeatable")
	f.StringArrayVar(&ask.TransitiveTagKeys, "transitive", nil, "the name of a tag that further sessions keep; repeatable")
	terminal.FactorFlags(cmd, &ask.Factor, &ask.Code)
	cmd.RunE = a.On(role, func(ctx context.Context, c *client.Client, name string) (err error) {
		ask.Seconds = int(length / time.Second)
		if ask.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		if policy != "" {
			doc, err := a.readPolicy(policy)
			if err != nil {
				return err
			}
			ask.Policy = &doc
		}
		s, err := c.AssumeRole(ctx, name, &ask)
		if err != nil {
			return err
		}
		return a.ShowSession(s)
	})
	return cmd
}
