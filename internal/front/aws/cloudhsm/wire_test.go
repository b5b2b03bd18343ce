package cloudhsm_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudhsm"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: cloudhsm.Operations(), Update: *update})
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, cloudhsmv2 1.35.0): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `CopyBackupToRegion CreateCluster CreateHsm DeleteBackup DeleteCluster DeleteHsm DeleteResourcePolicy
DescribeBackups DescribeClusters GetResourcePolicy InitializeCluster ListTags ModifyBackupAttributes ModifyCluster
PutResourcePolicy RestoreBackup TagResource UntagResource`
	awstest.TestOperations(t, cloudhsm.Operations(), all)
}

// TestUninitialised: a cluster that nobody has claimed shows its request.
func TestUninitialised(t *testing.T) {
	d := newDoor()
	d.cluster.Certificate, d.cluster.Anchor, d.cluster.Request, d.cluster.HSMs = nil, nil, []byte{1, 2, 3}, nil
	a := send(t, d, "DescribeClusters", `{}`)
	for _, part := range []string{
		`"State":"UNINITIALIZED"`, `"Hsms":[]`,
		`"Certificates":{"ClusterCsr":"-----BEGIN CERTIFICATE REQUEST-----\nAQID\n-----END CERTIFICATE REQUEST-----\n"}`,
	} {
		if !strings.Contains(a.Body, part) {
			t.Errorf("%s is not in %s", part, a.Body)
		}
	}
}

// TestStates holds that every state has AWS's name.
func TestStates(t *testing.T) {
	d := newDoor()
	a := send(t, d, "DescribeBackups", `{}`)
	if !strings.Contains(a.Body, `"BackupState":"PENDING_DELETION"`) {
		t.Error(a.Body)
	}
	d.cluster.HSMs[1].State = cluster.HSMCreating
	if a := send(t, d, "DescribeClusters", `{}`); !strings.Contains(a.Body, `"State":"ACTIVE"`) || !strings.Contains(a.Body, `"CREATE_IN_PROGRESS"`) {
		t.Error(a.Body)
	}
}

// TestPages pages through tags, which the door does not.
func TestPages(t *testing.T) {
	d := newDoor()
	first := send(t, d, "ListTags", `{"ResourceId":"`+clusterID+`","MaxResults":1}`)
	token, _ := first.Fields["NextToken"].(string)
	second := send(t, d, "ListTags", `{"ResourceId":"`+clusterID+`","MaxResults":1,"NextToken":"`+token+`"}`)
	if !strings.Contains(first.Body, `"empty"`) || token == "" || second.Body != `{"TagList":[{"Key":"team","Value":"pki"}]}` {
		t.Errorf("%s, then %s", first.Body, second.Body)
	}
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-cloudhsm.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range cloudhsm.Operations() {
		names = append(names, o.Name)
	}
	const begin, end = "<!-- operations: written by go test ./internal/front/aws/cloudhsm -update -->\n", "<!-- end of operations -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no marks for the operations")
	}
	want := before + begin + fmt.Sprintf("%d of %d: %s.\n", len(names), len(names), strings.Join(names, ", ")) + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws-cloudhsm.md is out of date: go test ./internal/front/aws/cloudhsm -update")
	}
}

// FuzzHandler holds that any body to any operation is answered, see
// awstest.FuzzHandler.
func FuzzHandler(f *testing.F) { awstest.FuzzHandler(f, fake) }
