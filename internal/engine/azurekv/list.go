package azurekv

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// List returns some of the vault's keys, some 25 at a time. The vault's list does
// not say what they are: each is asked for.
func (e *Engine) List(ctx context.Context, page string) ([]engine.Listed, string, error) {
	answer, err := e.page(ctx, page)
	if err != nil {
		return nil, "", err
	}
	var keys []engine.Listed
	for _, item := range answer.Value {
		if item == nil || item.KID == nil {
			continue
		}
		id, err := azure.ParseIdentifier(string(*item.KID))
		if err != nil {
			continue // what cannot be named cannot be adopted
		}
		id = e.named(id.Name)
		l, err := e.listed(ctx, id, item)
		switch {
		case fault.KindOf(err) == fault.NotFound && err != nil: // deleted since
		case err != nil:
			return nil, "", err
		default:
			keys = append(keys, l)
		}
	}
	next := ""
	if answer.NextLink != nil {
		if u, err := url.Parse(*answer.NextLink); err == nil && u.RawQuery != page {
			next = u.RawQuery
		}
	}
	return keys, next, nil
}

// page asks for a page of the list. What is given for one is no URL but a query:
// the token goes nowhere but to the vault.
func (e *Engine) page(ctx context.Context, query string) (azkeys.ListKeyPropertiesResponse, error) {
	var answer azkeys.ListKeyPropertiesResponse
	if _, err := url.ParseQuery(query); err != nil {
		return answer, fault.New(fault.InvalidArgument, "not a page of this list")
	}
	err := e.do(ctx, "List", remote.Repeatable, func(ctx context.Context) (err error) {
		pager := e.keys.NewListKeyPropertiesPager(nil)
		if query != "" {
			before, err := json.Marshal(map[string]string{"nextLink": "https://" + e.vault.Host + "/keys?" + query})
			if err != nil {
				return err
			}
			if err := pager.UnmarshalJSON(before); err != nil {
				return err
			}
			if _, err := pager.NextPage(ctx); err != nil { // what it was given, without asking anybody
				return err
			}
		}
		answer, err = pager.NextPage(ctx)
		return err
	})
	return answer, err
}

// listed returns what a key of the list is.
func (e *Engine) listed(ctx context.Context, id azure.Identifier, item *azkeys.KeyProperties) (engine.Listed, error) {
	l := engine.Listed{Name: id.String(), Made: reserved(id.Name), Condition: conditionOf(item.Attributes, time.Now())}
	if item.Attributes != nil && item.Attributes.Created != nil {
		l.Renewed = *item.Attributes.Created // of the current version
	}
	k, err := e.get(ctx, "List", id)
	if err != nil {
		return l, err
	}
	l.Type, l.Protection = typeName(k), key.Software
	if strings.HasSuffix(string(k.kty), "-HSM") {
		l.Protection = key.HSM
	}
	if list := usages(k.spec, k.ops); len(list) > 0 {
		l.Kind = engine.Kind{Spec: k.spec, Usage: list[0]}
	}
	return l, nil
}

// typeName returns what a key is in the service's words, with its size where
// the vault shows it.
func typeName(k *found) string {
	switch info := k.spec.Info(); {
	case azure.CurveOf(k.spec) != "":
		return string(k.kty) + " " + string(azure.CurveOf(k.spec))
	case k.spec == alg.NoSpec:
		return string(k.kty)
	default:
		return string(k.kty) + " " + strconv.Itoa(info.Bits)
	}
}
