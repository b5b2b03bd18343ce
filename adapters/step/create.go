package step

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.step.sm/crypto/kms/apiv1"

	"github.com/holdfast-kms/holdfast"
)

// specs are the keys that are made for an algorithm; "rsa" is followed by the
// size. Which hash and padding an RSA key signs with is not a property of it.
var specs = map[apiv1.SignatureAlgorithm]string{
	apiv1.UnspecifiedSignAlgorithm: "p-256",
	apiv1.SHA256WithRSA:            "rsa",
	apiv1.SHA384WithRSA:            "rsa",
	apiv1.SHA512WithRSA:            "rsa",
	apiv1.SHA256WithRSAPSS:         "rsa",
	apiv1.SHA384WithRSAPSS:         "rsa",
	apiv1.SHA512WithRSAPSS:         "rsa",
	apiv1.ECDSAWithSHA256:          "p-256",
	apiv1.ECDSAWithSHA384:          "p-384",
	apiv1.ECDSAWithSHA512:          "p-521",
	apiv1.PureEd25519:              "ed25519",
}

// specOf returns the type of key that a request asks for.
func specOf(req *apiv1.CreateKeyRequest) (string, error) {
	spec, ok := specs[req.SignatureAlgorithm]
	switch {
	case !ok:
		return "", apiv1.NotImplementedError{Message: fmt.Sprintf("no key is made for the algorithm %v", req.SignatureAlgorithm)}
	case spec != "rsa":
		return spec, nil
	}
	switch req.Bits {
	case 0:
		return "rsa-3072", nil
	case 2048, 3072, 4096:
		return fmt.Sprintf("rsa-%d", req.Bits), nil
	}
	return "", apiv1.NotImplementedError{Message: fmt.Sprintf("no RSA key of %d bits is made: 2048, 3072 and 4096 are", req.Bits)}
}

// supported refuses what this KMS cannot promise.
func supported(req *apiv1.CreateKeyRequest) error {
	for name, asked := range map[string]bool{
		"ProtectionLevel": req.ProtectionLevel != apiv1.UnspecifiedProtectionLevel, "Extractable": req.Extractable,
		"PINPolicy": req.PINPolicy != 0, "TouchPolicy": req.TouchPolicy != 0, "DestroyRetentionPeriod": req.DestroyRetentionPeriod != 0,
	} {
		if asked {
			return apiv1.NotImplementedError{Message: name + " is not supported: where a key is made says how it is kept"}
		}
	}
	return nil
}

// CreateKey makes a key. A name that is taken is an apiv1.AlreadyExistsError.
func (k *KMS) CreateKey(req *apiv1.CreateKeyRequest) (*apiv1.CreateKeyResponse, error) {
	if err := supported(req); err != nil {
		return nil, err
	}
	spec, err := specOf(req)
	if err != nil {
		return nil, err
	}
	key, place, err := k.with(req.Name, func(ctx context.Context, p *holdfast.Place, name string) (*holdfast.Key, error) {
		return p.Create(ctx, name, spec)
	}, holdfast.WithUsage("sign-verify"))
	if err != nil {
		return nil, err
	}
	made := responseOf(key)
	return made, place.Close()
}

// responseOf describes a key.
func responseOf(key *holdfast.Key) *apiv1.CreateKeyResponse {
	name := nameOf(key.URI())
	return &apiv1.CreateKeyResponse{
		Name: name, PublicKey: key.Public(), CreateSignerRequest: apiv1.CreateSignerRequest{SigningKey: name},
	}
}

// SearchKeys returns the keys of a place that sign: of the one that the query
// names, such as "holdfast:///", or else of the KMS's own. Key files that are
// encrypted are left out.
func (k *KMS) SearchKeys(req *apiv1.SearchKeysRequest) (*apiv1.SearchKeysResponse, error) {
	at := k.place
	if req.Query != "" {
		uri, err := uriOf(req.Query)
		if err != nil {
			return nil, err
		}
		at = uri
	}
	if at == "" {
		return nil, errors.New("the query names no place, and the KMS has none")
	}
	ctx := context.Background() // the interfaces of step have none
	place, err := holdfast.Connect(ctx, at, k.opts...)
	if err != nil {
		return nil, translate(err)
	}
	found, err := search(ctx, place)
	if err = errors.Join(err, place.Close()); err != nil {
		return nil, translate(err)
	}
	return found, nil
}

// search opens the keys of a place.
func search(ctx context.Context, place *holdfast.Place) (*apiv1.SearchKeysResponse, error) {
	all, err := place.List(ctx)
	if err != nil {
		return nil, err
	}
	found := &apiv1.SearchKeysResponse{Results: []apiv1.SearchKeyResult{}}
	for _, listed := range all {
		if !asymmetric(listed.Spec) || listed.State != "usable" && listed.State != "" {
			continue
		}
		key, err := place.Open(ctx, listed.URI)
		switch holdfast.KindOf(err) {
		case "":
		case holdfast.NotFound, holdfast.WrongState, holdfast.Unsupported:
			continue // it is another key by now, or was none of ours
		default:
			return nil, err
		}
		if _, err := newSigner(key); err == nil {
			found.Results = append(found.Results, apiv1.SearchKeyResult(*responseOf(key)))
		}
	}
	return found, nil
}

// asymmetric reports whether keys of a type have two halves.
func asymmetric(spec string) bool {
	return spec != "" && !strings.HasPrefix(spec, "aes-") && !strings.HasPrefix(spec, "hmac-")
}
