package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/holdfast-kms/holdfast/test/compat"
)

func (t *target) secrets() *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: t.base(),
	})
}

func (t *target) functions() *lambda.Client {
	return lambda.New(lambda.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: t.base(),
	})
}

// TestSecrets leads secrets through their lives with aws-sdk-go-v2: its own
// paginators and exceptions.
func TestSecrets(t *testing.T) {
	t.Parallel()
	tg, _ := setup(t)
	c, ctx := tg.secrets(), t.Context()
	prefix := fmt.Sprintf("go/%d/", time.Now().UnixNano())
	for _, name := range []string{"a", "b", "c"} {
		_, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(prefix + name), SecretString: aws.String("value of " + name)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, _ = c.DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(prefix + name), ForceDeleteWithoutRecovery: aws.Bool(true)}) // the test may have done it
		})
	}
	_, err := c.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(prefix + "a"), SecretString: aws.String("x")})
	if _, ok := errors.AsType[*types.ResourceExistsException](err); !ok {
		t.Errorf("a name that is taken: %v", err)
	}
	var listed, values []string
	pages := secretsmanager.NewListSecretsPaginator(c, &secretsmanager.ListSecretsInput{
		Filters: []types.Filter{{Key: types.FilterNameStringTypeName, Values: []string{prefix}}}, SortOrder: types.SortOrderTypeAsc, MaxResults: aws.Int32(2),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.SecretList {
			listed = append(listed, strings.TrimPrefix(*s.Name, prefix))
		}
	}
	batch, err := c.BatchGetSecretValue(ctx, &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{prefix + "a", prefix + "c"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range batch.SecretValues {
		values = append(values, *v.SecretString)
	}
	if got := strings.Join(append(listed, values...), ", "); got != "a, b, c, value of a, value of c" {
		t.Errorf("the secrets are %s", got)
	}
	blob := bytes.Repeat([]byte{0, 0xff}, 32<<10)
	if _, err := c.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String(prefix + "a"), SecretBinary: blob}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(prefix + "a")})
	if err != nil || !bytes.Equal(got.SecretBinary, blob) {
		t.Errorf("64 KiB came back as %d bytes: %v", len(got.SecretBinary), err)
	}
	if _, err := c.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: got.ARN}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: got.ARN})
	if _, ok := errors.AsType[*types.InvalidRequestException](err); !ok {
		t.Errorf("a deleted secret: %v", err)
	}
	_, err = c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(prefix + "none")})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("a secret that is not there: %v", err)
	}
}

// TestFunctions invokes functions with aws-sdk-go-v2.
func TestFunctions(t *testing.T) {
	t.Parallel()
	tg, _ := setup(t)
	c, ctx := tg.functions(), t.Context()
	_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("none")})
	if _, ok := errors.AsType[*lambdatypes.ResourceNotFoundException](err); !ok {
		t.Errorf("a function that is not there: %v", err)
	}
	out, err := c.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String("arn:aws:lambda:" + tg.region + ":" + tg.account + ":function:sign-ca-certificate"), Qualifier: aws.String("$LATEST"),
		Payload: []byte(`{"csr":"ca.csr","kms_key_id":"alias/none"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &said); err != nil || out.FunctionError == nil || !strings.Contains(said.ErrorMessage, "the name of a file") {
		t.Errorf("the function says %s: %v", out.Payload, err)
	}
	pages := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Functions)
	}
	if n != 2 {
		t.Errorf("there are %d functions", n)
	}
}

var (
	secretsCall  = regexp.MustCompile(`secrets\.(?:get_paginator\(")?([a-z]+_[a-z_]+)|, secrets\.([a-z_]+),`)
	functionCall = regexp.MustCompile(`aws lambda ([a-z]+-[a-z-]+|invoke)`)
)

// TestEverySecretsOperationHasACase: what the pages document, the scripts call.
func TestEverySecretsOperationHasACase(t *testing.T) {
	root, err := compat.Root()
	if err != nil {
		t.Fatal(err)
	}
	for page, called := range map[string][]string{
		"aws-secretsmanager.md": scripted(t, "testdata/secretsmanager.py", secretsCall),
		"aws-lambda.md":         scripted(t, "testdata/functions.sh", functionCall),
	} {
		doc, err := os.ReadFile(filepath.Join(root, "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		m := servedLine.FindSubmatch(doc)
		if m == nil {
			t.Fatalf("%s has no operations: the test looks for the wrong thing", page)
		}
		for name := range strings.SplitSeq(string(m[1]), ", ") {
			if !slices.Contains(called, name) {
				t.Errorf("%s: %s is documented and has no case", page, name)
			}
		}
	}
}

// issuingHandler is the program of a text that issues a certificate and keeps
// it with its key: from its imports to its last line that is indented.
var issuingHandler = regexp.MustCompile(`(?m)^import boto3\nimport json\nfrom datetime import datetime, timedelta\nimport base64\n\ndef lambda_handler\(event, context\):\n(?:(?:[ \t].*)?\n)+`)

// TestSeedIssuingHandler runs that program, unchanged, from the texts in the
// folder HOLDFAST_SEEDS, twice, and the function of the same job.
func TestSeedIssuingHandler(t *testing.T) {
	tg, _ := setup(t)
	need(t, programs().boto3)
	for _, handler := range seedPrograms(t, issuingHandler) {
		work := t.TempDir()
		write(t, work, "handler.py", []byte(handler))
		write(t, work, "run.py", []byte(`
import json, time
import boto3
import handler

pca = boto3.client("acm-pca")
ca = pca.create_certificate_authority(CertificateAuthorityType="ROOT", CertificateAuthorityConfiguration={
    "KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA", "Subject": {"CommonName": "Root"}})["CertificateAuthorityArn"]
csr = pca.get_certificate_authority_csr(CertificateAuthorityArn=ca)["Csr"].encode()
own = pca.issue_certificate(CertificateAuthorityArn=ca, Csr=csr, SigningAlgorithm="SHA256WITHRSA",
    TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1", Validity={"Value": 10, "Type": "YEARS"})["CertificateArn"]
pem = pca.get_certificate(CertificateAuthorityArn=ca, CertificateArn=own)["Certificate"].encode()
pca.import_certificate_authority_certificate(CertificateAuthorityArn=ca, Certificate=pem)
event = {"common_name": f"h{time.time_ns() % 10**6}.example.com", "san": ["www.example.com"], "validity_days": 365, "ca_arn": ca}
secrets = boto3.client("secretsmanager")
shapes = []
for round in range(3):
    if round < 2:
        answer = handler.lambda_handler(event, None)
    else:
        answer = json.loads(boto3.client("lambda").invoke(FunctionName="issue-certificate", Payload=json.dumps(event))["Payload"].read())
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])
    assert body["secret_name"] == "certificates/" + event["common_name"] and body["common_name"] == event["common_name"], body
    kept = json.loads(secrets.get_secret_value(SecretId=body["secret_name"])["SecretString"])
    shapes.append((sorted(body), sorted(kept)))
    print(json.dumps(answer))
    time.sleep(1.1)  # its token has the second in it
assert shapes[0] == shapes[1] == shapes[2], shapes
secrets.delete_secret(SecretId=body["secret_name"], ForceDeleteWithoutRecovery=True)
pca.update_certificate_authority(CertificateAuthorityArn=ca, Status="DISABLED")
pca.delete_certificate_authority(CertificateAuthorityArn=ca, PermanentDeletionTimeInDays=7)
`))
		t.Logf("%s", tg.execute(t, work, "python3", "run.py"))
	}
}
