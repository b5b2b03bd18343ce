package kms_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	keyID  = "1234abcd-12ab-34cd-56ef-1234567890ab"
	keyARN = "arn:aws:kms:us-east-1:123456789012:key/" + keyID
)

// door is a fake door: it writes down what it is asked, and answers from one
// key, or with err.
type door struct {
	awstest.Door
	key *key.Key
}

func newDoor() *door {
	at := time.Date(2026, 11, 22, 16, 0, 0, 123e6, time.UTC)
	return &door{key: &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: "us-east-1", ID: keyID},
		Spec: alg.AES256, Usage: alg.EncryptDecrypt, Origin: key.Generated, State: key.Enabled, Description: `"quoted"`,
		CreatedAt: at, Policy: key.Document{Dialect: wire.Dialect, Text: "{\n \"Version\": \"2012-10-17\"\n}"},
		Tags: []key.Tag{{Key: "team", Value: "pki"}},
		Versions: []key.Version{
			{Number: 1, CreatedAt: at, MaterialID: strings.Repeat("1", 64), Public: []byte("public key")},
			{Number: 2, CreatedAt: at.AddDate(1, 0, 0), MaterialID: strings.Repeat("2", 64), RotatedBy: key.OnDemand, Public: []byte("public key 2")},
		},
		Rotation: key.Rotation{Enabled: true, PeriodDays: 180, Next: at.AddDate(0, 0, 180)},
	}}
}

func (d *door) note(call *key.Call, op string, args ...any) error {
	var line strings.Builder
	line.WriteString(call.Operation + " " + op)
	for _, a := range args {
		fmt.Fprintf(&line, " %+v", a)
	}
	if call.DryRun {
		line.WriteString(" (dry run)")
	}
	return d.Note(line.String())
}

// as returns a copy of the key with another spec.
func (d *door) as(spec alg.Spec, usage alg.Usage) *key.Key {
	k := d.key.Clone()
	if k.Spec = spec; usage != alg.NoUsage {
		k.Usage = usage
	}
	return k
}

func (d *door) CreateKey(_ context.Context, c *key.Call, req *kms.CreateKeyRequest) (*key.Key, error) {
	k := d.as(req.Spec, req.Usage)
	if req.External {
		k.Origin, k.State = key.Imported, key.PendingImport
		k.Versions = []key.Version{{Number: 1, CreatedAt: k.CreatedAt, Missing: true}}
	}
	return k, d.note(c, "CreateKey", *req)
}

func (d *door) DescribeKey(_ context.Context, c *key.Call, ref kms.Ref) (*key.Key, error) {
	return d.key, d.note(c, "DescribeKey", ref)
}

func (d *door) ListKeys(_ context.Context, c *key.Call, p kms.Page) ([]key.ID, string, error) {
	return []key.ID{keyID, "2"}, d.Next, d.note(c, "ListKeys", p)
}

func (d *door) EnableKey(_ context.Context, c *key.Call, ref kms.Ref) error {
	return d.note(c, "EnableKey", ref)
}

func (d *door) DisableKey(_ context.Context, c *key.Call, ref kms.Ref) error {
	return d.note(c, "DisableKey", ref)
}

func (d *door) ScheduleDeletion(_ context.Context, c *key.Call, ref kms.Ref, days int) (*key.Key, error) {
	k := d.key.Clone()
	k.State, k.DeleteAt = key.PendingDeletion, k.CreatedAt.AddDate(0, 0, days)
	return k, d.note(c, "ScheduleDeletion", ref, days)
}

func (d *door) CancelDeletion(_ context.Context, c *key.Call, ref kms.Ref) (*key.Key, error) {
	return d.key, d.note(c, "CancelDeletion", ref)
}

func (d *door) CreateAlias(_ context.Context, c *key.Call, name string, ref kms.Ref) error {
	return d.note(c, "CreateAlias", name, ref)
}

func (d *door) UpdateAlias(_ context.Context, c *key.Call, name string, ref kms.Ref) error {
	return d.note(c, "UpdateAlias", name, ref)
}

func (d *door) DeleteAlias(_ context.Context, c *key.Call, name string) error {
	return d.note(c, "DeleteAlias", name)
}

func (d *door) ListAliases(_ context.Context, c *key.Call, ref *kms.Ref, p kms.Page) ([]key.Alias, string, error) {
	if ref == nil {
		ref = &kms.Ref{}
	}
	a := key.Alias{
		Realm: key.DefaultRealm, Region: "us-east-1", Name: "alias/web", Target: keyID,
		CreatedAt: d.key.CreatedAt, UpdatedAt: d.key.CreatedAt,
	}
	return []key.Alias{a}, d.Next, d.note(c, "ListAliases", *ref, p)
}

func (d *door) UpdateDescription(_ context.Context, c *key.Call, ref kms.Ref, text string) error {
	return d.note(c, "UpdateDescription", ref, fmt.Sprintf("%q", text))
}

func (d *door) PutPolicy(_ context.Context, c *key.Call, ref kms.Ref, doc key.Document, bypass bool) error {
	return d.note(c, "PutPolicy", ref, fmt.Sprintf("%q", doc), bypass)
}

func (d *door) Policy(_ context.Context, c *key.Call, ref kms.Ref) (key.Document, error) {
	return d.key.Policy, d.note(c, "Policy", ref)
}

func (d *door) ListPolicies(_ context.Context, c *key.Call, ref kms.Ref) ([]string, error) {
	return []string{"default"}, d.note(c, "ListPolicies", ref)
}

func (d *door) Tag(_ context.Context, c *key.Call, ref kms.Ref, tags []key.Tag) error {
	return d.note(c, "Tag", ref, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, ref kms.Ref, keys []string) error {
	return d.note(c, "Untag", ref, keys)
}

func (d *door) ListTags(_ context.Context, c *key.Call, ref kms.Ref, p kms.Page) ([]key.Tag, string, error) {
	return d.key.Tags, d.Next, d.note(c, "ListTags", ref, p)
}

func (d *door) EnableRotation(_ context.Context, c *key.Call, ref kms.Ref, days int) error {
	return d.note(c, "EnableRotation", ref, days)
}

func (d *door) DisableRotation(_ context.Context, c *key.Call, ref kms.Ref) error {
	return d.note(c, "DisableRotation", ref)
}

func (d *door) RotationStatus(_ context.Context, c *key.Call, ref kms.Ref) (*key.Key, error) {
	return d.key, d.note(c, "RotationStatus", ref)
}

func (d *door) RotateOnDemand(_ context.Context, c *key.Call, ref kms.Ref) (*key.Key, error) {
	return d.key, d.note(c, "RotateOnDemand", ref)
}

func (d *door) ListRotations(_ context.Context, c *key.Call, ref kms.Ref, p kms.Page) (*key.Key, []key.Version, string, error) {
	return d.key, d.key.Versions[1:], d.Next, d.note(c, "ListRotations", ref, p)
}

func (d *door) ListMaterials(_ context.Context, c *key.Call, ref kms.Ref, p kms.Page) (*key.Key, []key.Version, string, error) {
	k := d.key.Clone()
	k.Origin, k.Versions[0].Missing, k.Versions[1].Description = key.Imported, true, "the second"
	k.Versions[1].ExpiresAt = k.CreatedAt.AddDate(1, 1, 0)
	k.Pending = &key.Version{Number: 3, CreatedAt: k.CreatedAt.AddDate(1, 0, 1), RotatedBy: key.OnDemand, MaterialID: strings.Repeat("3", 64)}
	return k, k.Materials(), d.Next, d.note(c, "ListMaterials", ref, p)
}

func (d *door) ImportParameters(_ context.Context, c *key.Call, ref kms.Ref, how alg.Wrapping, under alg.Spec) (*kms.ImportParameters, error) {
	p := &kms.ImportParameters{Key: d.key}
	p.Public, p.Token, p.Expires = []byte("wrapping key"), []byte("token"), d.key.CreatedAt.AddDate(0, 0, 1)
	return p, d.note(c, "ImportParameters", ref, how, under)
}

func (d *door) ImportMaterial(_ context.Context, c *key.Call, req *kms.ImportMaterialRequest) (*kms.MaterialResult, error) {
	return d.material(), d.note(c, "ImportMaterial", fmt.Sprintf("%+v %q %q until %s", req.Key, req.Token, req.Encrypted, req.ExpiresAt),
		req.Rotate, fmt.Sprintf("%q %q", req.MaterialID, req.Description))
}

func (d *door) DeleteMaterial(_ context.Context, c *key.Call, ref kms.Ref, materialID string) (*kms.MaterialResult, error) {
	return d.material(), d.note(c, "DeleteMaterial", ref, materialID)
}

func (d *door) material() *kms.MaterialResult {
	return &kms.MaterialResult{Key: d.key, Version: d.key.Versions[0]}
}

func (d *door) encrypted(a alg.Algorithm, text string) kms.EncryptResult {
	return kms.EncryptResult{Key: d.key, Version: d.key.Current(), Algorithm: a, Ciphertext: []byte(text)}
}

// quoted formats a request without what this API never sets, and without Listed,
// which it always sets.
func quoted(req any) string {
	text := fmt.Sprintf("%+q", req)
	for _, part := range []string{` {"" "" '\x00'}`, ` %!q(bool=true)`} {
		text = strings.ReplaceAll(text, part, "")
	}
	return text
}

func (d *door) Encrypt(_ context.Context, c *key.Call, req *kms.EncryptRequest) (*kms.EncryptResult, error) {
	r := d.encrypted(req.Algorithm, "sealed "+string(req.Plaintext))
	return &r, d.note(c, "Encrypt", quoted(*req))
}

func (d *door) Decrypt(_ context.Context, c *key.Call, req *kms.DecryptRequest) (*kms.DecryptResult, error) {
	return &kms.DecryptResult{
		Key: d.key, Version: d.key.Versions[0], Algorithm: req.Algorithm, Plaintext: []byte("plaintext"),
	}, d.note(c, "Decrypt", quoted(*req))
}

func (d *door) ReEncrypt(_ context.Context, c *key.Call, req *kms.ReEncryptRequest) (*kms.ReEncryptResult, error) {
	return &kms.ReEncryptResult{
		Source:      kms.DecryptResult{Key: d.key, Version: d.key.Versions[0], Algorithm: req.Source.Algorithm},
		Destination: d.encrypted(req.Destination.Algorithm, "sealed again"),
	}, d.note(c, "ReEncrypt", quoted(*req))
}

func (d *door) GenerateDataKey(_ context.Context, c *key.Call, req *kms.DataKeyRequest) (*kms.DataKeyResult, error) {
	r := &kms.DataKeyResult{EncryptResult: d.encrypted(alg.AESGCM, "sealed data key")}
	if !req.WithoutPlaintext {
		r.Plaintext = bytes.Repeat([]byte{7}, req.Bytes)
	}
	return r, d.note(c, "GenerateDataKey", *req)
}

func (d *door) GenerateRandom(_ context.Context, c *key.Call, n int) ([]byte, error) {
	return bytes.Repeat([]byte{9}, n), d.note(c, "GenerateRandom", n)
}

func (d *door) Sign(_ context.Context, c *key.Call, req *kms.SignRequest) (*kms.SignResult, error) {
	return &kms.SignResult{Key: d.key, Version: d.key.Current(), Signature: []byte("signature")},
		d.note(c, "Sign", quoted(*req))
}

func (d *door) Verify(_ context.Context, c *key.Call, req *kms.VerifyRequest) (*key.Key, error) {
	return d.key, d.note(c, "Verify", quoted(*req))
}

func (d *door) GenerateMAC(_ context.Context, c *key.Call, req *kms.MACRequest) (*kms.MACResult, error) {
	return &kms.MACResult{Key: d.key, Version: d.key.Current(), MAC: []byte("mac")}, d.note(c, "GenerateMAC", quoted(*req))
}

func (d *door) VerifyMAC(_ context.Context, c *key.Call, req *kms.VerifyMACRequest) (*key.Key, error) {
	return d.key, d.note(c, "VerifyMAC", quoted(*req))
}

func (d *door) DeriveSharedSecret(_ context.Context, c *key.Call, req *kms.SharedSecretRequest) (*kms.SharedSecretResult, error) {
	k := d.as(alg.P384, alg.KeyAgreement)
	return &kms.SharedSecretResult{Key: k, Version: k.Current(), Secret: key.NewSecret([]byte("secret"))},
		d.note(c, "DeriveSharedSecret", quoted(*req))
}

func (d *door) PublicKey(_ context.Context, c *key.Call, ref kms.Ref) (*kms.PublicKeyResult, error) {
	k := d.as(alg.P256, alg.SignVerify)
	return &kms.PublicKeyResult{Key: k, Version: k.Current()}, d.note(c, "PublicKey", ref)
}

// fake returns the API over a new door.
func fake(testing.TB) (front.Service, *awstest.Door) {
	d := newDoor()
	return awskms.New(d, newStores(d)), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(awskms.New(d, newStores(d)), d).Send(t, operation, body)
}
