// Package topics has the commands of the noun topic: what is published, who
// gets it, and who did not.
//
// Start with New. The package is internal and may change with any release.
package topics

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast topic`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("topic", "Publish messages, and see who gets them",
		a.create(), a.list(), a.show(), a.subscriptions(), a.publish(), a.failed(), a.remove()))
}

// topic is a command's topic: its first argument, or --topic.
func topic() *terminal.Argument {
	return &terminal.Argument{
		Word: "TOPIC", Flag: "topic", Help: "the topic's name",
		Missing: "no topic is named: give its name; \"holdfast topic list\" lists them",
	}
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List topics", Args: cobra.NoArgs, Example: "  holdfast topic list"}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Topic, string, error) {
			l, err := c.Topics(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Topics, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "DISPLAY NAME", "KEY", "SIGNATURE", "CREATED")
			for i := range all {
				t := &all[i]
				w.Row(t.Name, terminal.OrDash(t.DisplayName), terminal.OrDash(t.Key), t.Signature, t.CreatedAt)
			}
		})
	})
	return cmd
}

func (a *app) create() *cobra.Command {
	name := topic()
	var req client.CreateTopicRequest
	var tags []string
	cmd := name.Add(&cobra.Command{
		Use: "create", Short: "Make a topic",
		Long: "Make a topic. Programs subscribe to it over the API of Amazon SNS.", Example: "  holdfast topic create orders --display-name Orders",
	})
	flags := cmd.Flags()
	flags.StringVar(&req.DisplayName, "display-name", "", "how people are told its name")
	flags.IntVar(&req.Signature, "signature", 2, "the version of its messages' signatures: 1 is RSA with SHA-1, 2 with SHA-256")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) (err error) {
		req.Name = name
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		t, err := c.CreateTopic(ctx, &req)
		if err != nil {
			return err
		}
		return a.tell(t)
	})
	return cmd
}

func (a *app) remove() *cobra.Command {
	name := topic()
	var yes bool
	cmd := name.Add(&cobra.Command{Use: "delete", Short: "End a topic with its subscriptions", Example: "  holdfast topic delete orders --yes"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "end the topic %s and its subscriptions", name); err != nil {
			return err
		}
		if err := c.DeleteTopic(ctx, name); err != nil {
			return err
		}
		return a.Done("%s is deleted", name)
	})
	return cmd
}

func (a *app) show() *cobra.Command {
	name := topic()
	cmd := name.Add(&cobra.Command{Use: "show", Short: "Show a topic", Example: "  holdfast topic show orders"})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		t, err := c.Topic(ctx, name)
		if err != nil {
			return err
		}
		return a.tell(t)
	})
	return cmd
}

// tell shows a topic.
func (a *app) tell(t *client.Topic) error {
	return a.Show(t, func(w *terminal.Table) {
		w.Fact("Topic", t.Name)
		w.Fact("Display name", t.DisplayName)
		w.Fact("Region", t.Region)
		w.Fact("Key", t.Key)
		w.Fact("Signature version", t.Signature)
		w.Fact("Created", t.CreatedAt)
		if n := t.Subscriptions; n != nil {
			w.Fact("Subscriptions", fmt.Sprintf("%d, beside %d not confirmed and %d ended by their receivers", n.Confirmed, n.Pending, n.Left))
		}
		for _, tag := range t.Tags {
			w.Fact("Tag", tag.Key+"="+tag.Value)
		}
	})
}

func (a *app) subscriptions() *cobra.Command {
	name := topic()
	cmd := name.Add(&cobra.Command{Use: "subscriptions", Short: "List who gets a topic's messages", Example: "  holdfast topic subscriptions orders"})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Subscription, string, error) {
			l, err := c.TopicSubscriptions(ctx, name, p)
			if err != nil {
				return nil, "", err
			}
			return l.Subscriptions, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ID", "PROTOCOL", "STATE", "RAW", "ENDPOINT")
			for i := range all {
				s := &all[i]
				w.Row(s.ID, s.Protocol, s.State, s.Raw, s.Endpoint)
			}
		})
	})
	return cmd
}

// maxMessage is the longest message, in bytes.
const maxMessage = 256 << 10

func (a *app) publish() *cobra.Command {
	name := topic()
	var req client.PublishRequest
	var file string
	cmd := name.Add(&cobra.Command{
		Use: "publish", Short: "Publish a message",
		Example: "  holdfast topic publish orders --subject \"An order\" --message \"Number 4711\"\n" +
			"  journalctl -n 50 | holdfast topic publish orders --message-file -",
	})
	flags := cmd.Flags()
	flags.StringVar(&req.Message, "message", "", "the message")
	flags.StringVar(&file, "message-file", "", "a file with the message; - is standard input")
	flags.StringVar(&req.Subject, "subject", "", "the subject, which mail has")
	cmd.MarkFlagsMutuallyExclusive("message", "message-file")
	cmd.MarkFlagsOneRequired("message", "message-file")
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		if file != "" {
			text, err := a.Read(file, maxMessage)
			if err != nil {
				return err
			}
			req.Message = string(text)
		}
		p, err := c.Publish(ctx, name, &req)
		if err != nil {
			return err
		}
		return a.Show(p, func(w *terminal.Table) { w.Fact("Message", p.ID) })
	})
	return cmd
}

func (a *app) failed() *cobra.Command {
	cmd := &cobra.Command{
		Use: "failed", Short: "List messages that could not be delivered", Args: cobra.NoArgs,
		Long: "List messages that could not be delivered and were given up in the last 14 days, and why.", Example: "  holdfast topic failed",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.FailedDelivery, string, error) {
			l, err := c.FailedDeliveries(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Deliveries, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("FAILED", "TOPIC", "ENDPOINT", "ATTEMPTS", "CAUSE", "MESSAGE")
			for i := range all {
				d := &all[i]
				w.Row(d.FailedAt, d.Topic, d.Endpoint, d.Attempts, d.Cause, d.Message)
			}
		})
	})
	return cmd
}
