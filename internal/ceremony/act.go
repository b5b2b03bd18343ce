package ceremony

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (a *Key) kind() string { return "key" }

func (a *Key) describe(*conduct) ([]Fact, error) {
	return []Fact{{"make a key", a.Alias}, {"spec", a.Spec}}, nil
}

// act makes the key, or takes the one that an interrupted act made.
func (a *Key) act(ctx context.Context, c *conduct) (*outcome, error) {
	spec, err := parseSpec(a.Spec)
	if err != nil {
		return nil, err
	}
	alias := keyAlias(a.Alias)
	k, err := c.installation.Keys.DescribeKey(ctx, c.call("Key"), kms.Ref{Alias: alias})
	switch {
	case fault.KindOf(err) == fault.NotFound:
		k, err = c.installation.Keys.CreateKey(ctx, c.call("Key"), &kms.CreateKeyRequest{
			Spec: spec, Usage: alg.SignVerify, Description: "made by the ceremony " + c.script.Ceremony,
		})
		if err == nil {
			err = c.installation.Keys.CreateAlias(ctx, c.call("Key"), alias, kms.Ref{ID: k.Name.ID})
		}
	case err == nil && k.Spec != spec:
		err = fault.New(fault.AlreadyExists, "there is another key with the name %s", a.Alias)
	}
	if err != nil {
		return nil, err
	}
	public := k.Current().Public
	return &outcome{facts: []Fact{
		{"key", string(k.Name.ID)}, {"spec", aws.SpecName(k.Spec)}, {"public key sha256", hexDigest(public)},
	}}, nil
}

// parseSpec reads a spec in AWS's spelling or the field's.
func parseSpec(name string) (alg.Spec, error) {
	spec, ok := aws.ParseSpec(name)
	if !ok {
		spec = alg.ParseSpec(name)
	}
	if spec == alg.NoSpec || !spec.Allows(alg.SignVerify) {
		return alg.NoSpec, fault.New(fault.InvalidArgument, "spec: %q is no kind of key for signing", name)
	}
	return spec, nil
}

// parseAlgorithm reads an algorithm in AWS's spelling or the field's; "" is
// none.
func parseAlgorithm(name string) (alg.Algorithm, error) {
	if name == "" {
		return alg.NoAlgorithm, nil
	}
	algorithm, ok := aws.ParseAlgorithm(name)
	if !ok {
		algorithm = alg.ParseAlgorithm(name)
	}
	if algorithm == alg.NoAlgorithm {
		return algorithm, fault.New(fault.InvalidArgument, "algorithm: %q is not known", name)
	}
	return algorithm, nil
}

func keyAlias(name string) string {
	if strings.HasPrefix(name, "alias/") {
		return name
	}
	return "alias/" + name
}

// pemOf writes certificates in PEM, one after the other.
func pemOf(certificates ...[]byte) []byte {
	var b bytes.Buffer
	for _, der := range certificates {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return b.Bytes()
}

func days(n int) string { return fmt.Sprintf("%d days", n) }
