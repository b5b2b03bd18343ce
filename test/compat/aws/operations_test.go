package aws

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// operations has a case for every operation that docs/aws.md lists, with
// aws-sdk-go-v2. A case uses the operation as its users do and checks what
// the answer must carry (reference: the API's model and, where it says less
// than the service does, the service).
var operations = map[string]func(*testing.T, *target, *kms.Client){
	"CreateKey": func(t *testing.T, tg *target, c *kms.Client) {
		out, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{Description: aws.String("d"), Tags: []types.Tag{{TagKey: aws.String("k"), TagValue: aws.String("v")}}})
		if err != nil {
			t.Fatal(err)
		}
		m := out.KeyMetadata
		if *m.Arn != tg.arn("key/"+*m.KeyId) || *m.AWSAccountId != tg.account || !m.Enabled || m.KeyState != types.KeyStateEnabled ||
			m.KeySpec != types.KeySpecSymmetricDefault || m.KeyUsage != types.KeyUsageTypeEncryptDecrypt || m.Origin != types.OriginTypeAwsKms ||
			m.KeyManager != types.KeyManagerTypeCustomer || *m.Description != "d" || len(aws.ToString(m.CurrentKeyMaterialId)) != 64 {
			t.Errorf("metadata %+v", m)
		}
		if m.MultiRegionConfiguration != nil || aws.ToBool(m.MultiRegion) {
			t.Errorf("a key of one region says %+v", m.MultiRegionConfiguration)
		}
		if !slices.Equal(m.EncryptionAlgorithms, []types.EncryptionAlgorithmSpec{types.EncryptionAlgorithmSpecSymmetricDefault}) {
			t.Errorf("algorithms %v", m.EncryptionAlgorithms)
		}
		schedule(t, c, m.KeyId)
	},
	"DescribeKey": func(t *testing.T, tg *target, c *kms.Client) {
		m := newKey(t, c, types.KeySpecEccNistP384, types.KeyUsageTypeSignVerify)
		alias := newAlias(t, c, m.KeyId)
		for _, name := range []string{*m.KeyId, *m.Arn, alias, tg.arn(alias)} {
			out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &name})
			if err != nil {
				t.Errorf("by %s: %v", name, err)
				continue
			}
			if got := out.KeyMetadata; *got.KeyId != *m.KeyId || got.KeySpec != types.KeySpecEccNistP384 ||
				!slices.Equal(got.SigningAlgorithms, []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha384}) || got.CurrentKeyMaterialId != nil {
				t.Errorf("by %s: %+v", name, got)
			}
		}
	},
	"ListKeys": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		for p := kms.NewListKeysPaginator(c, &kms.ListKeysInput{Limit: aws.Int32(7)}); p.HasMorePages(); {
			page, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(page.Keys, func(k types.KeyListEntry) bool { return *k.KeyId == *m.KeyId && *k.KeyArn == *m.Arn }) {
				return
			}
		}
		t.Errorf("%s is not listed", *m.KeyId)
	},
	"UpdateKeyDescription": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		if _, err := c.UpdateKeyDescription(t.Context(), &kms.UpdateKeyDescriptionInput{KeyId: m.Arn, Description: aws.String("new")}); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, c, m.KeyId); *got.Description != "new" {
			t.Errorf("description %q", *got.Description)
		}
	},
	"CreateAlias": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		alias := newAlias(t, c, m.Arn)
		_, err := c.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: m.KeyId})
		refused(t, err, "AlreadyExistsException", "*")
	},
	"UpdateAlias": func(t *testing.T, _ *target, c *kms.Client) {
		a, b := newKey(t, c, "", ""), newKey(t, c, "", "")
		alias := newAlias(t, c, a.KeyId)
		if _, err := c.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: b.KeyId}); err != nil {
			t.Fatal(err)
		}
		if got := describe(t, c, &alias); *got.KeyId != *b.KeyId {
			t.Errorf("the alias names %s, want %s", *got.KeyId, *b.KeyId)
		}
	},
	"DeleteAlias": func(t *testing.T, tg *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		alias := newAlias(t, c, m.KeyId)
		if _, err := c.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: &alias}); err != nil {
			t.Fatal(err)
		}
		_, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &alias})
		refused(t, err, "NotFoundException", "Alias "+tg.arn(alias)+" is not found.")
		_, err = c.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: &alias})
		refused(t, err, "NotFoundException", "*")
	},
	"ListAliases": func(t *testing.T, tg *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		want := []string{newAlias(t, c, m.KeyId), newAlias(t, c, m.KeyId)}
		out, err := c.ListAliases(t.Context(), &kms.ListAliasesInput{KeyId: m.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range out.Aliases {
			got = append(got, *a.AliasName)
			if *a.AliasArn != tg.arn(*a.AliasName) || *a.TargetKeyId != *m.KeyId || a.CreationDate == nil {
				t.Errorf("alias %+v", a)
			}
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("aliases %v, want %v", got, want)
		}
	},
	"TagResource": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "", tag("a", "1"))
		_, err := c.TagResource(t.Context(), &kms.TagResourceInput{KeyId: m.KeyId, Tags: []types.Tag{tag("a", "2"), tag("b", "")}})
		if err != nil {
			t.Fatal(err)
		}
		wantTags(t, c, m.KeyId, map[string]string{"a": "2", "b": ""})
	},
	"UntagResource": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "", tag("a", "1"), tag("b", "2"))
		if _, err := c.UntagResource(t.Context(), &kms.UntagResourceInput{KeyId: m.Arn, TagKeys: []string{"a", "absent"}}); err != nil {
			t.Fatal(err)
		}
		wantTags(t, c, m.KeyId, map[string]string{"b": "2"})
	},
	"ListResourceTags": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "", tag("a", "1"), tag("b", "2"), tag("c", "3"))
		wantTags(t, c, m.KeyId, map[string]string{"a": "1", "b": "2", "c": "3"})
	},
	"GetCallerIdentity": func(t *testing.T, tg *target, _ *kms.Client) {
		out, err := sts.New(tg.stsOptions(tg.creds)).GetCallerIdentity(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if *out.Account != tg.account || !strings.HasPrefix(*out.Arn, "arn:aws:") || aws.ToString(out.UserId) == "" {
			t.Errorf("account %s, ARN %s, user %s", *out.Account, *out.Arn, aws.ToString(out.UserId))
		}
	},
}

// all returns every case: the table above and those of the other files.
func all() map[string]func(*testing.T, *target, *kms.Client) {
	cases := maps.Clone(operations)
	maps.Copy(cases, cryptographic)
	maps.Copy(cases, lifeCycle)
	maps.Copy(cases, imports)
	maps.Copy(cases, keyStores)
	maps.Copy(cases, federation)
	return cases
}

func TestOperations(t *testing.T) {
	for name, test := range all() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tg, c := setup(t)
			test(t, tg, c)
		})
	}
}

// operationTable is a table of docs/aws.md: the operations of a service that
// we have and those that we do not, made from the front end's own table.
var operationTable = regexp.MustCompile(`(?m)^\| implemented \| not implemented \|\n\|[-|]+\|\n\| (.*) \| (.*) \|$`)

// documented returns the operations that docs/aws.md says we have, and those
// that it says we lack.
func documented(t *testing.T) (have, lack []string) {
	t.Helper()
	root, err := compat.Root()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "aws.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range operationTable.FindAllSubmatch(doc, -1) {
		have = append(have, strings.Split(string(m[1]), ", ")...)
		lack = append(lack, strings.Split(string(m[2]), ", ")...)
	}
	if len(have) == 0 || len(lack) == 0 {
		t.Fatal("docs/aws.md has no table of operations: the test looks for the wrong thing")
	}
	return have, lack
}

// TestUnimplementedOperations: what we lack is refused by name.
func TestUnimplementedOperations(t *testing.T) {
	tg, _ := setup(t)
	onlyOurs(t, tg)
	_, lack := documented(t)
	for _, name := range lack {
		if a := tg.call(t, name, `{}`); a.code != "UnsupportedOperationException" && a.code != "UnknownOperationException" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// TestEveryOperationHasACase compares the documented operations with the
// cases: both that none is untested and that none is undocumented.
func TestEveryOperationHasACase(t *testing.T) {
	want, _ := documented(t)
	for client, have := range map[string][]string{
		"aws-sdk-go-v2": slices.Sorted(maps.Keys(all())),
		"the aws CLI":   slices.Concat(scripted(t, "testdata/*.sh", cliCall), scripted(t, "testdata/hsm/*.sh", cliCall), scripted(t, "testdata/roles/*.sh", cliCall)),
		"boto3":         slices.Concat(scripted(t, "testdata/*.py", boto3Call), scripted(t, "testdata/hsm/*.py", boto3Call), scripted(t, "testdata/roles/*.py", boto3Call)),
	} {
		for _, name := range want {
			if !slices.Contains(have, name) {
				t.Errorf("%s: %s is documented and has no case", client, name)
			}
		}
		for _, name := range have {
			if !slices.Contains(want, name) {
				t.Errorf("%s: %s has a case and is not documented", client, name)
			}
		}
	}
}

// describe returns a key's metadata.
func describe(t *testing.T, c *kms.Client, name *string) *types.KeyMetadata {
	t.Helper()
	out, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: name})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

// schedule schedules a key's deletion.
func schedule(t *testing.T, c *kms.Client, id *string) {
	t.Helper()
	if _, err := c.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
}

func tag(k, v string) types.Tag { return types.Tag{TagKey: &k, TagValue: &v} }

// wantTags checks all tags of a key, read two a page.
func wantTags(t *testing.T, c *kms.Client, id *string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for p := kms.NewListResourceTagsPaginator(c, &kms.ListResourceTagsInput{KeyId: id, Limit: aws.Int32(2)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range page.Tags {
			got[*tag.TagKey] = *tag.TagValue
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
}

// equal checks two byte strings without printing them.
func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the %d bytes differ from the %d wanted", what, len(got), len(want))
	}
}
