// Package users has the commands of the noun identity: users, their policies,
// access keys, second factors and sessions.
//
// Start with New. The package is internal and may change with any release.
package users

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast identity`. access_key.go has the verbs about
// credentials.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"identity", "Manage users, their policies and credentials",
		a.whoAmI(), a.userCommand(), a.accessKeyCommand(), a.sessionCommand(),
	))
}

func (a *app) whoAmI() *cobra.Command {
	cmd := &cobra.Command{Use: "whoami", Short: "Show who the server takes you for", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		i, err := c.WhoAmI(ctx)
		if err != nil {
			return err
		}
		return a.Show(i, func(w *terminal.Table) {
			w.Fact("Realm", i.Realm)
			w.Fact("Kind", i.Kind)
			w.Fact("Name", i.Name)
			w.Fact("User id", i.UserID)
			w.Fact("Credential", i.Credential)
			w.Fact("Second factor", i.MFA)
		})
	})
	return cmd
}

func (a *app) userCommand() *cobra.Command {
	return terminal.Group("user", "Manage users",
		a.userCreate(), a.userList(), a.userShow(), a.userDelete(),
		terminal.Group("policy", "Manage what a user may do", a.userPolicyPut(), a.userPolicyDelete()), a.certificateCommand(), a.mfaCommand())
}

// user is a command's user: its first argument, or --user.
func (a *app) user() *terminal.Argument {
	return &terminal.Argument{
		Word: "USER", Flag: "user", Short: "u", Help: "the user's name", Names: a.UserNames(),
		Missing: "no user is named: give the name with --user",
	}
}

func (a *app) userCreate() *cobra.Command {
	user := a.user()
	cmd := user.Add(&cobra.Command{
		Use: "create", Short: "Add a user, who may do nothing yet",
		Example: "  holdfast identity user create alice\n" +
			"  holdfast identity user policy put alice --policy-name signer --in signer.json\n" +
			"  holdfast identity access-key create alice",
	})
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		u, err := c.CreateUser(ctx, name)
		if err != nil {
			return err
		}
		return a.showUser(u)
	})
	return cmd
}

func (a *app) showUser(u *client.User) error {
	return a.Show(u, func(w *terminal.Table) {
		w.Fact("User", u.Name)
		w.Fact("Id", u.ID)
		w.Fact("Realm", u.Realm)
		w.Fact("Created", u.CreatedAt)
		for _, k := range u.AccessKeys {
			w.Fact("Access key", k.ID+" "+activity(k.Active)+", made "+terminal.Cell(k.CreatedAt))
		}
		for _, p := range u.Policies {
			w.Fact("Policy", p.Name)
		}
	})
}

func activity(active bool) string {
	if active {
		return "active"
	}
	return "disabled"
}

func (a *app) userList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List users", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.User, string, error) {
			l, err := c.Users(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Users, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("USER", "ID", "ACCESS KEYS", "POLICIES", "CREATED")
			for _, u := range all {
				w.Row(u.Name, u.ID, len(u.AccessKeys), len(u.Policies), u.CreatedAt)
			}
		})
	})
	return cmd
}

func (a *app) userShow() *cobra.Command {
	user := a.user()
	cmd := user.Add(&cobra.Command{Use: "show", Short: "Show a user; with --json the policies' texts too"})
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		u, err := c.User(ctx, name)
		if err != nil {
			return err
		}
		return a.showUser(u)
	})
	return cmd
}

func (a *app) userDelete() *cobra.Command {
	user := a.user()
	var yes bool
	cmd := user.Add(&cobra.Command{Use: "delete", Short: "Remove a user with its policies and access keys"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the user %s", name); err != nil {
			return err
		}
		if err := c.DeleteUser(ctx, name); err != nil {
			return err
		}
		return a.Done("the user %s is removed", name)
	})
	return cmd
}

func (a *app) userPolicyPut() *cobra.Command {
	user := a.user()
	var policy, in string
	cmd := user.Add(&cobra.Command{Use: "put", Short: "Add or replace a policy of a user"})
	cmd.Flags().StringVar(&policy, "policy-name", "", "the policy's name")
	cmd.Flags().StringVar(&in, "in", "-", "the file with the policy; - is standard input")
	terminal.Require(cmd, "policy-name")
	cmd.RunE = a.On(user, func(ctx context.Context, c *client.Client, name string) error {
		text, err := a.Read(in, terminal.MaxDocument)
		if err != nil {
			return err
		}
		if err := c.PutUserPolicy(ctx, name, policy, client.Policy{Document: string(text)}); err != nil {
			return err
		}
		return a.Done("%s has the policy %s", name, policy)
	})
	return cmd
}

func (a *app) userPolicyDelete() *cobra.Command {
	return a.takeAway(&cobra.Command{Use: "delete", Short: "Remove a policy of a user"},
		"policy-name", "the policy's name", (*client.Client).DeleteUserPolicy)
}

func (a *app) sessionCommand() *cobra.Command {
	var length time.Duration
	var ask client.CreateSessionRequest
	cmd := &cobra.Command{
		Use: "create", Short: "Make temporary credentials of your own, with a second factor or without", Args: cobra.NoArgs,
		Example: "  eval \"$(holdfast identity session create --duration 15m --mfa 123456)\"",
	}
	cmd.Flags().DurationVar(&length, "duration", time.Hour, "how long they hold")
	terminal.FactorFlags(cmd, &ask.Factor, &ask.Code)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		ask.Seconds = int(length / time.Second)
		s, err := c.StartSession(ctx, &ask)
		if err != nil {
			return err
		}
		return a.ShowSession(s)
	})
	return terminal.Group("session", "Make temporary credentials", cmd)
}
