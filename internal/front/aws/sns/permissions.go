package sns

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

type addPermission struct {
	arn
	label             string
	accounts, actions []string
}

func readAddPermission(p *aws.Params) addPermission {
	return addPermission{readTopicARN(p), p.Required("Label"), p.List("AWSAccountId"), p.List("ActionName")}
}

// permitted are the actions that AddPermission takes.
var permitted = []string{
	"Publish", "RemovePermission", "SetTopicAttributes", "DeleteTopic", "ListSubscriptionsByTopic", "GetTopicAttributes",
	"Receive", "AddPermission", "Subscribe",
}

// grant is the statement of a permission.
type grant struct {
	Sid       string              `json:"Sid"`
	Effect    string              `json:"Effect"`
	Principal map[string][]string `json:"Principal"`
	Action    []string            `json:"Action"`
	Resource  string              `json:"Resource"`
}

// statement returns the permission's statement.
func (in *addPermission) statement() (json.RawMessage, error) {
	g := grant{Sid: in.label, Effect: "Allow", Principal: map[string][]string{}, Resource: in.text}
	for _, account := range in.accounts {
		realm := key.RealmID(account)
		if !realm.Valid() {
			return nil, topic.Wrong("AWSAccountId", "%.20q is no account id", account)
		}
		g.Principal["AWS"] = append(g.Principal["AWS"], wire.PrincipalARN(key.Principal{Realm: realm, Kind: key.Root}))
	}
	for _, action := range in.actions {
		if !slices.Contains(permitted, action) {
			return nil, topic.Wrong("ActionName", "%.50q is no action that a policy of a topic can allow", action)
		}
		g.Action = append(g.Action, "SNS:"+action)
	}
	if len(g.Action) == 0 || len(in.accounts) == 0 {
		return nil, topic.Wrong("Policy", "a permission has at least one account and one action")
	}
	return json.RawMessage(text(g)), nil
}

func (f *front) addPermission(ctx context.Context, x *aws.Exchange, in addPermission) error {
	return f.editPolicy(ctx, x, in.arn, func(statements []json.RawMessage) ([]json.RawMessage, error) {
		if slices.ContainsFunc(statements, labelled(in.label)) {
			return nil, topic.Wrong("Label", "the policy has a statement with this label already")
		}
		s, err := in.statement()
		return append(statements, s), err
	})
}

type removePermission struct {
	arn
	label string
}

func readRemovePermission(p *aws.Params) removePermission {
	return removePermission{readTopicARN(p), p.Required("Label")}
}

func (f *front) removePermission(ctx context.Context, x *aws.Exchange, in removePermission) error {
	return f.editPolicy(ctx, x, in.arn, func(statements []json.RawMessage) ([]json.RawMessage, error) {
		rest := slices.DeleteFunc(statements, labelled(in.label))
		switch len(rest) {
		case len(statements):
			return nil, fault.New(fault.NotFound, "the policy has no statement with this label")
		case 0:
			return nil, topic.Wrong("Label", "it is the policy's only statement")
		}
		return rest, nil
	})
}

// labelled reports whether a statement has a label.
func labelled(label string) func(json.RawMessage) bool {
	return func(s json.RawMessage) bool {
		var g struct{ Sid string }
		return json.Unmarshal(s, &g) == nil && g.Sid == label
	}
}

// editPolicy changes the statements of a topic's policy and leaves the rest of
// it alone.
func (f *front) editPolicy(
	ctx context.Context, x *aws.Exchange, in arn, edit func([]json.RawMessage) ([]json.RawMessage, error),
) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	_, err = f.topics.Change(ctx, &x.Call, ref, func(s *topic.Settings) error {
		document := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(s.Policy.Text), &document); err != nil {
			return fault.New(fault.Internal, "a stored policy cannot be read")
		}
		var statements []json.RawMessage
		if json.Unmarshal(document["Statement"], &statements) != nil { // it is one that stands alone
			statements = []json.RawMessage{document["Statement"]}
		}
		statements, err := edit(statements)
		if err != nil {
			return err
		}
		document["Statement"] = json.RawMessage(text(statements))
		s.Policy = key.Document{Dialect: wire.Dialect, Text: text(document)}
		return nil
	})
	return err
}
