// Package keys has the commands of the nouns key and alias: key.go makes and
// shows keys, manage.go changes them, sign.go and use.go work with them.
//
// Start with New. The package is internal and may change with any release.
package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast key`. key_use.go has the verbs that use a key,
// key_manage.go those that change one.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"key", "Make, manage and use keys",
		a.keyCreate(), a.keyAdopt(), a.importKey(), a.exportKey(), a.keyList(), a.keyShow(),
		a.keyEnable(), a.keyDisable(), a.keyDelete(), a.keyUndelete(), a.keyRotate(), a.keyRotation(),
		a.keyPolicy(), a.keyTag(), a.keyUntag(), a.keyDescribe(),
		a.keyPublic(), a.keySign(), a.keyVerify(), a.keyEncrypt(), a.keyDecrypt(), a.keyReEncrypt(), a.keyDataKey(),
		a.keyMAC(), a.keyMACVerify(), a.keyDerive(), a.keyRandom(),
	))
}

func (a *app) keyCreate() *cobra.Command {
	var req client.CreateKeyRequest
	var alias, policy string
	var tags []string
	cmd := &cobra.Command{
		Use: "create", Short: "Make a key", Args: cobra.NoArgs,
		Example: "  holdfast key create --spec ECC_NIST_P256 --alias release\n" +
			"  holdfast key create --spec RSA_2048 --usage SIGN_VERIFY --tag team=web\n" +
			"  holdfast key create --spec ECC_NIST_P384 --hsm luna --alias ca-signing-key\n" +
			"  holdfast key create --spec ECC_NIST_P256 --provider aws-prod --alias payments",
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Spec, "spec", "SYMMETRIC_DEFAULT", "the key's type and size")
	flags.StringVar(&req.Usage, "usage", "", "what the key is for; needed for RSA, and for a key that agrees (KEY_AGREEMENT) instead of signing")
	flags.StringVar(&req.Description, "description", "", "a text for people")
	flags.StringVar(&alias, "alias", "", "a name for the key, with or without \"alias/\"")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.StringVar(&policy, "policy", "", "a file with the key policy; - is standard input")
	flags.BoolVar(&req.Exportable, "exportable", false, "let the key leave, for whoever may export it; decided now for good")
	flags.StringVar(&req.HSM, "hsm", "", "the token or group to make it in; the server's own store without it")
	flags.StringVar(&req.Store, "store", "", "the custom key store to make it in")
	flags.StringVar(&req.Provider, "provider", "", "the key service to make it in")
	flags.BoolVar(&req.BypassLockout, "bypass-lockout", false, "take a policy that shuts the caller out")
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
	terminal.CompleteBy(cmd, "hsm", a.HSMNames())
	terminal.CompleteBy(cmd, "provider", a.ProviderNames())
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := terminal.CheckSpec(req.Spec); err != nil {
			return err
		}
		if err := a.settle(&req, alias, tags, policy); err != nil {
			return err
		}
		k, err := c.CreateKey(ctx, &req)
		if err != nil {
			return err
		}
		return a.showNew(k, req.Alias)
	})
	return cmd
}

// settle puts an alias, tags and a policy's file into a request.
func (a *app) settle(req *client.CreateKeyRequest, alias string, tags []string, policy string) (err error) {
	if alias != "" {
		req.Alias = terminal.AliasName(alias)
	}
	if req.Tags, err = terminal.TagsOf(tags); err != nil || policy == "" {
		return err
	}
	text, err := a.Read(policy, terminal.MaxDocument)
	if err != nil {
		return err
	}
	req.Policy = &client.Policy{Document: string(text)}
	return nil
}

// showNew shows a new key with its alias, if it has one.
func (a *app) showNew(k *client.Key, alias string) error {
	out := keyView{Key: k}
	if alias != "" {
		out.Aliases = []string{alias}
	}
	return a.showKey(out)
}

// keyView is a key as `key show` and `key create` print it.
type keyView struct {
	*client.Key
	Aliases []string `json:"aliases,omitempty"`
}

func (a *app) showKey(k keyView) error {
	return a.Show(k, func(w *terminal.Table) {
		w.Fact("Key", k.ID)
		w.Fact("Aliases", k.Aliases)
		w.Fact("Spec", k.Spec)
		w.Fact("Usage", k.Usage)
		w.Fact("Algorithms", k.Algorithms)
		w.Fact("State", k.State)
		w.Fact("Deleted at", k.DeleteAt)
		w.Fact("Description", k.Description)
		if k.Exportable {
			w.Fact("Exportable", "yes")
		}
		w.Fact("Version", k.Version)
		w.Fact("Created", k.CreatedAt)
		w.Fact("Predecessor", k.Predecessor)
		w.Fact("Successor", k.Successor)
		w.Fact("Verifies until", k.VerifiesUntil)
		w.Fact("Lives in", terminal.LivesIn(k.Key))
		w.Fact("Called there", k.RemoteName)
		w.Fact("State there", k.RemoteCondition)
		w.Fact("Origin", k.Origin+", protected by "+k.Protection)
		w.Fact("Forgotten at", k.ExpiresAt)
		w.Fact("Realm", k.Realm+", region "+k.Region)
		for _, t := range k.Tags {
			w.Fact("Tag", t.Key+"="+t.Value)
		}
	})
}

func (a *app) keyList() *cobra.Command {
	var long bool
	cmd := &cobra.Command{Use: "list", Short: "List the keys with their aliases", Args: cobra.NoArgs}
	cmd.Flags().BoolVarP(&long, "long", "l", false, "show what each key is, with one request more for each")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		names, err := terminal.AliasesOf(ctx, c)
		if err != nil {
			return err
		}
		all := []keyView{}
		err = terminal.Pages(func(p client.Page) (string, error) {
			l, err := c.Keys(ctx, p)
			if err != nil {
				return "", err
			}
			for _, item := range l.Keys {
				k := &client.Key{ID: item.ID}
				if long {
					if k, err = c.Key(ctx, item.ID); err != nil {
						return "", err
					}
				}
				all = append(all, keyView{k, names[item.ID]})
			}
			return l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.showKeys(all, long)
	})
	return cmd
}

// keyLine is a key as `key list` prints it in JSON.
type keyLine struct {
	ID      string   `json:"id"`
	Aliases []string `json:"aliases,omitempty"`
}

func (a *app) showKeys(all []keyView, long bool) error {
	if long {
		return a.Show(all, func(w *terminal.Table) {
			w.Row("KEY", "SPEC", "USAGE", "STATE", "CREATED", "ALIASES")
			for _, k := range all {
				w.Row(k.ID, k.Spec, k.Usage, k.State, k.CreatedAt, terminal.ShortAliases(k.Aliases))
			}
		})
	}
	lines := make([]keyLine, len(all))
	for i, k := range all {
		lines[i] = keyLine{k.ID, k.Aliases}
	}
	return a.Show(lines, func(w *terminal.Table) {
		w.Row("KEY", "ALIASES")
		for _, k := range lines {
			w.Row(k.ID, terminal.ShortAliases(k.Aliases))
		}
	})
}

func (a *app) keyShow() *cobra.Command {
	var key keyArgument
	cmd := key.add(a, &cobra.Command{Use: "show", Short: "Show a key"})
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		k, err := c.Key(ctx, name)
		if err != nil {
			return err
		}
		out := keyView{Key: k}
		l, err := c.Aliases(ctx, k.ID, client.Page{Limit: 1000})
		if client.KindOf(err) == client.PermissionDenied {
			return a.showKey(out) // who may not list aliases still sees the key
		}
		if err != nil {
			return err
		}
		for _, alias := range l.Aliases {
			out.Aliases = append(out.Aliases, alias.Name)
		}
		return a.showKey(out)
	})
	return cmd
}

// onKey returns the RunE of a command about one key.
func (a *app) onKey(key *keyArgument, act func(ctx context.Context, c *client.Client, name string) error) func(*cobra.Command, []string) error {
	return a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		name, err := key.name(args)
		if err != nil {
			return err
		}
		return act(ctx, c, name)
	})
}
