package secretsmanager_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/secretsmanager"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: secretsmanager.Operations(), Update: *update})
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, secretsmanager 1.50.10): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	awstest.TestOperations(t, secretsmanager.Operations(), `BatchGetSecretValue CancelRotateSecret CreateSecret DeleteResourcePolicy
DeleteSecret DescribeSecret GetRandomPassword GetResourcePolicy GetSecretValue ListSecretVersionIds ListSecrets PutResourcePolicy
PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret RotateSecret StopReplicationToReplica TagResource
UntagResource UpdateSecret UpdateSecretVersionStage ValidateResourcePolicy`)
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	awstest.TestPage(t, awstest.Page{
		Path: "../../../../docs/aws-secretsmanager.md", Package: "aws/secretsmanager", Operations: secretsmanager.Operations(), Update: *update,
	})
}

// FuzzHandler holds that any request is answered, and recorded once.
func FuzzHandler(f *testing.F) {
	f.Add("CreateSecret", `{"Name":"a","SecretString":"\u0000","SecretBinary":null,"Tags":[null]}`)
	f.Add("ListSecrets", `{"Filters":[{"Key":"all","Values":["!"]},null]}`)
	f.Add("DeleteSecret", `{"SecretId":"arn:aws:secretsmanager:::secret:","RecoveryWindowInDays":-9223372036854775808}`)
	awstest.FuzzHandler(f, fake)
}

// TestPages: a page of versions goes on where the one before ended, without
// those that have no label unless they are asked for.
func TestPages(t *testing.T) {
	d := newDoor(t)
	var seen []string
	body := `{"SecretId":"prod/db","MaxResults":1}`
	for range 3 {
		a := send(t, d, "ListSecretVersionIds", body)
		for _, v := range a.Fields["Versions"].([]any) {
			seen = append(seen, v.(map[string]any)["VersionId"].(string))
		}
		next, ok := a.Fields["NextToken"].(string)
		if !ok {
			break
		}
		body = `{"SecretId":"prod/db","MaxResults":1,"NextToken":"` + next + `"}`
	}
	if got := strings.Join(seen, " "); got != first+" "+other {
		t.Errorf("the pages have %s", got)
	}
}

// TestAnswers has answers that the recorded requests do not show.
func TestAnswers(t *testing.T) {
	d := newDoor(t)
	d.Next = "next"
	d.flaws = []*fault.Error{fault.Because(fault.InvalidArgument, fault.PublicPolicy, "the policy lets everybody in")}
	for _, row := range []struct{ operation, body, want string }{
		{"DeleteSecret", `{"SecretId":"gone","ForceDeleteWithoutRecovery":true}`, `{"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:gone","Name":"gone","DeletionDate":1796034600}`},
		{"ValidateResourcePolicy", `{"ResourcePolicy":"{}"}`, `{"PolicyValidationPassed":false,"ValidationErrors":[{"CheckName":"POLICY_PUBLIC_ACCESS","ErrorMessage":"The policy lets everybody in."}]}`},
		{"GetRandomPassword", `{}`, `{"RandomPassword":"pass\"word"}`},
		{"BatchGetSecretValue", `{"Filters":[{"Key":"name","Values":["p"]}],"MaxResults":2}`, `"NextToken":"MTpCYXRjaEdldFNlY3JldFZhbHVlOm5leHQ"`},
		{"BatchGetSecretValue", `{"Filters":[{"Key":"name","Values":["p"]}],"MaxResults":2}`, `"Errors":[{"SecretId":"gone","ErrorCode":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}]`},
	} {
		if a := send(t, d, row.operation, row.body); !strings.Contains(a.Body, row.want) {
			t.Errorf("%s %s:\n got %s\nwant %s", row.operation, row.body, a.Body, row.want)
		}
	}
}
