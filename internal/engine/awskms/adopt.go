package awskms

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// describe returns what the service says of a key: by its id, its ARN, an alias
// or an alias's ARN.
func (e *Engine) describe(ctx context.Context, name string) (*types.KeyMetadata, error) {
	in := &kms.DescribeKeyInput{KeyId: &name}
	out, err := ask(ctx, e, call{op: "DescribeKey", how: remote.Repeatable, key: name}, e.client.DescribeKey, in, func(out *kms.DescribeKeyOutput) error {
		m := out.KeyMetadata
		if m == nil || m.Arn == nil || m.KeyId == nil {
			return &wrongAnswer{"no key"}
		}
		if strings.Contains(name, aliasPrefix) {
			return nil // it tells what we do not know
		}
		if !strings.HasPrefix(name, "arn:") {
			return answers(*m.Arn, &name)
		}
		return answers(name, m.Arn)
	})
	if err != nil {
		return nil, err
	}
	return out.KeyMetadata, nil
}

// public returns the SubjectPublicKeyInfo of a key.
func (e *Engine) public(ctx context.Context, spec alg.Spec, arn string, fresh bool) ([]byte, error) {
	c := call{op: "GetPublicKey", how: remote.Repeatable, key: arn, fresh: fresh}
	out, err := ask(ctx, e, c, e.client.GetPublicKey, &kms.GetPublicKeyInput{KeyId: &arn}, func(out *kms.GetPublicKeyOutput) error {
		return answers(arn, out.KeyId)
	})
	if err != nil {
		return nil, err
	}
	p, err := engine.ParsePublic(spec, out.PublicKey)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "awskms.GetPublicKey", Err: err}
	}
	return p.SPKI(), nil
}

// referenceOf returns which key one is, and what it may do: what the service
// says, as far as the table has it.
func referenceOf(kind engine.Kind, m *types.KeyMetadata) *remote.Reference {
	var words []string
	switch kind.Usage {
	case alg.EncryptDecrypt:
		words = spellings(m.EncryptionAlgorithms)
	case alg.SignVerify:
		words = spellings(m.SigningAlgorithms)
	case alg.GenerateVerifyMAC:
		words = spellings(m.MacAlgorithms)
	case alg.KeyAgreement:
		words = spellings(m.KeyAgreementAlgorithms)
	case alg.NoUsage, alg.KeyTransfer, alg.RawEncryptDecrypt:
	}
	algorithms := slices.DeleteFunc(kind.Spec.For(kind.Usage), func(a alg.Algorithm) bool {
		return len(words) > 0 && !slices.Contains(words, wire.AlgorithmName(a))
	})
	r := &remote.Reference{Name: *m.Arn, Type: string(m.KeySpec)}
	r.Does([]alg.Usage{kind.Usage}, algorithms)
	return r
}

func spellings[T ~string](list []T) []string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return words
}

// kindOf returns what a key is; its Spec is NoSpec when the table does not have
// it, or when only AWS's services can use it.
func (e *Engine) kindOf(m *types.KeyMetadata) engine.Kind {
	spec, ok := wire.ParseSpec(string(m.KeySpec))
	usage, known := wire.ParseUsage(string(m.KeyUsage))
	if !ok || !known || !e.Supports(spec, usage) || m.KeyManager == types.KeyManagerTypeAws {
		return engine.Kind{}
	}
	return engine.Kind{Spec: spec, Usage: usage}
}

// Adopt finds a key by its id, its ARN, an alias or an alias's ARN: also in
// another region or of another account, whose ARNs say so. An alias stands for
// the key that it has now: whoever points it at another one later changes
// nothing here. A key that a Holdfast made is not adopted: it is somebody's
// already, perhaps another realm's.
func (e *Engine) Adopt(ctx context.Context, ref engine.Ref, name string) (engine.Kind, engine.Material, error) {
	if name == "" || strings.HasPrefix(name, "arn:") && !reachable(name) {
		return engine.Kind{}, engine.Material{}, fault.New(fault.InvalidArgument, "a key of AWS KMS is named by its id, its ARN, or an alias such as alias/name")
	}
	m, err := e.describe(ctx, name)
	if err != nil {
		return engine.Kind{}, engine.Material{}, err
	}
	kind := e.kindOf(m)
	switch {
	case kind.Spec == alg.NoSpec:
		return kind, engine.Material{}, fault.New(fault.Unsupported, "the key %s (%s) is of no type and use that is supported here", *m.Arn, typeOf(m))
	case remote.Made(aws.ToString(m.Description)):
		return kind, engine.Material{}, fault.New(fault.WrongState, "the key %s is one of this or another Holdfast, and has a name there: it is not adopted a second time", *m.Arn)
	}
	r := referenceOf(kind, m)
	r.Adopted = true
	if !kind.Spec.Symmetric() {
		if r.Public, err = e.public(ctx, kind.Spec, *m.Arn, false); err != nil {
			return kind, engine.Material{}, err
		}
	}
	sealed, err := remote.Seal(e.box, ref, kind.Spec, r)
	return kind, sealed, err
}

// reachable reports whether an ARN is one of AWS KMS, in a region by whose name a
// host can be called: the request goes there.
func reachable(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	arn, ok := wire.ParseARN(name)
	return ok && arn.Service == "kms" && arn.Region != "" && len(arn.Region) <= 63 && strings.Trim(arn.Region, letters) == ""
}

// typeOf returns what a key is in the service's own words.
func typeOf(m *types.KeyMetadata) string {
	words := string(m.KeySpec) + " " + string(m.KeyUsage)
	if m.KeyManager == types.KeyManagerTypeAws {
		words += ", managed by AWS"
	}
	return words
}

// aliasLetters are those of an alias (AliasName).
const aliasLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-"

// Make makes a key with an alias, which may be given with or without its
// prefix. The name that it returns is the key's ARN.
func (e *Engine) Make(ctx context.Context, name string, kind engine.Kind) (string, error) {
	if !e.Supports(kind.Spec, kind.Usage) {
		return "", e.unsupported(kind)
	}
	name = strings.TrimPrefix(name, aliasPrefix)
	if name == "" || strings.Trim(name, aliasLetters) != "" || strings.HasPrefix(name, "aws/") || strings.HasPrefix(name, remote.NamePrefix) {
		return "", fault.New(fault.InvalidArgument, "an alias has letters, digits, and /, _ and - of ASCII; names that begin with aws/ or %s are given by others", remote.NamePrefix)
	}
	o := &order{name: name, kind: kind, origin: types.OriginTypeAwsKms}
	done, err := e.turns.take(ctx, o.name)
	if err != nil {
		return "", err
	}
	defer done()
	k, err := e.ensure(ctx, o)
	if err == nil && !k.now || fault.KindOf(err) == fault.Conflict {
		return "", fault.New(fault.AlreadyExists, "the key service %s has a key with the alias %s already", e.Name(), aliasPrefix+name)
	}
	if err != nil {
		return "", err
	}
	return *k.Arn, nil
}

// The sizes of a page of List: how many keys, and how many of them are asked
// about at once.
const (
	listPage = 50
	listLane = 8
)

// List returns some of the account's keys in the region, by their ARNs. A key
// that the service does not let the server look at is Unusable.
func (e *Engine) List(ctx context.Context, page string) ([]engine.Listed, string, error) {
	entries, next, err := e.page(ctx, page, listPage)
	if err != nil {
		return nil, "", err
	}
	keys, failures := make([]engine.Listed, len(entries)), make([]error, len(entries))
	lanes := make(chan struct{}, listLane)
	var all sync.WaitGroup
	for i, k := range entries {
		lanes <- struct{}{}
		all.Go(func() {
			defer func() { <-lanes }()
			keys[i], failures[i] = e.listed(ctx, *k.KeyArn)
		})
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, "", err
		}
	}
	keys = slices.DeleteFunc(keys, func(k engine.Listed) bool { return k.Condition == engine.Gone })
	return keys, next, nil
}

// listed returns what a key of a list is.
func (e *Engine) listed(ctx context.Context, arn string) (engine.Listed, error) {
	m, err := e.describe(ctx, arn)
	switch {
	case err == nil:
		return engine.Listed{
			Name: arn, Kind: e.kindOf(m), Type: typeOf(m), Condition: conditionOf(m.KeyState), Made: remote.Made(aws.ToString(m.Description)),
		}, nil
	case fault.KindOf(err) == fault.NotFound:
		return engine.Listed{Name: arn, Condition: engine.Gone}, nil
	case refused(err):
		return engine.Listed{Name: arn, Type: "not readable", Condition: engine.Unusable}, nil
	}
	return engine.Listed{}, err
}
