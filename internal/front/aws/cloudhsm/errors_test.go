package cloudhsm_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
)

const (
	named  = `{"ClusterId":"` + clusterID + `"}`
	backup = `{"BackupId":"` + backupID + `"}`
	text   = " The public text: " + clusterID + "."
	one    = "ValidationException 1 validation error detected: Value "
)

// about returns a fault about the cluster.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "cluster:Delete", Public: "the public text",
		Resource: "123456789012/us-east-1/cluster/igklspoyj5v",
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "DeleteCluster", Body: named, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:        "500 CloudHsmInternalFailureException",
			fault.InvalidArgument: "400 CloudHsmInvalidRequestException" + text,
			fault.Unauthenticated: "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 CloudHsmAccessDeniedException User: arn:aws:iam::123456789012:user/alice is not authorized to perform: " +
				"cloudhsm:DeleteCluster on resource: arn:aws:cloudhsm:us-east-1:123456789012:cluster/" + clusterID,
			fault.NotFound:      "400 CloudHsmResourceNotFoundException" + text,
			fault.AlreadyExists: "400 CloudHsmInvalidRequestException" + text,
			fault.WrongState:    "400 CloudHsmInvalidRequestException" + text,
			fault.Conflict:      "400 CloudHsmInvalidRequestException" + text,
			fault.Unsupported:   "400 CloudHsmInvalidRequestException" + text,
			fault.LimitExceeded: "400 CloudHsmInvalidRequestException" + text,
			fault.BadCiphertext: "400 CloudHsmInvalidRequestException" + text,
			fault.BadSignature:  "400 CloudHsmInvalidRequestException" + text,
			fault.Unavailable:   "503 CloudHsmServiceException" + text,
		},
	})
}

// TestReasons has what has an exception of its own.
func TestReasons(t *testing.T) {
	tag := `{"ResourceId":"` + clusterID + `","TagList":[{"Key":"a","Value":""}]}`
	create := `{"HsmType":"hsm1.medium","SubnetIds":["subnet-12345678"]}`
	awstest.TestReasons(t, fake, []awstest.Refusal{
		{Operation: "TagResource", Body: tag, Err: about(fault.InvalidArgument, fault.MalformedTag), Want: "CloudHsmTagException" + text},
		{Operation: "TagResource", Body: tag, Err: about(fault.InvalidArgument, fault.ReservedTag), Want: "CloudHsmTagException" + text},
		{Operation: "TagResource", Body: tag, Err: about(fault.InvalidArgument, fault.DuplicateTag), Want: "CloudHsmTagException" + text},
		{Operation: "TagResource", Body: tag, Err: about(fault.LimitExceeded, fault.TooManyTags), Want: "CloudHsmResourceLimitExceededException" + text},
		{Operation: "CreateCluster", Body: create, Err: about(fault.LimitExceeded, fault.TooManyTags), Want: "CloudHsmTagException" + text},
		{Operation: "DeleteCluster", Body: named, Err: about(fault.NotFound, fault.NoSuchCluster), Want: "CloudHsmResourceNotFoundException" + text},
		{Operation: "DescribeClusters", Body: `{}`, Err: &fault.Error{Kind: fault.InvalidArgument, Public: "no resource"}, Want: "CloudHsmInvalidRequestException No resource."},
	})
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) { awstest.TestSecretCause(t, fake, "DeleteCluster", named) }

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	create := `{"HsmType":"hsm1.medium","SubnetIds":["subnet-12345678"]}`
	with := func(member string) string { return strings.Replace(create, "}", ","+member+"}", 1) }
	policy := func(kind string) string {
		return `{"ResourceArn":"` + strings.Replace(backupARN, "backup/backup-", kind+"/"+kind+"-", 1) + `"}`
	}
	awstest.TestBadInput(t, fake, []awstest.Input{
		{Operation: "DeleteCluster", Body: `{}`, Want: one + "null at 'clusterId' failed to satisfy constraint: Member must not be null"},
		{Operation: "DeleteCluster", Body: `{"ClusterId":"cluster-abc123"}`, Want: one + "'cluster-abc123' at 'clusterId' failed to satisfy constraint: Member must satisfy regular expression pattern: cluster-[2-7a-zA-Z]{11,16}"},
		{Operation: "CreateCluster", Body: strings.Replace(create, "subnet-12345678", "x", 1), Want: one + "'[x]' at 'subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy regular expression pattern: subnet-[0-9a-fA-F]{8,17}]"},
		{Operation: "CreateCluster", Body: with(`"Mode":"FIPS"`), Want: "UnsupportedOperationException Holdfast does not support the Mode FIPS: it cannot know in which mode a token is."},
		{Operation: "CreateCluster", Body: with(`"NetworkType":"DUALSTACK"`), Want: "UnsupportedOperationException Holdfast does not support the NetworkType DUALSTACK."},
		{Operation: "CreateCluster", Body: with(`"BackupRetentionPolicy":{"Type":"DAYS","Value":"6"}`), Want: "CloudHsmInvalidRequestException The backup retention period must be between 7 and 379 days."},
		{Operation: "CreateHsm", Body: `{"ClusterId":"` + clusterID + `","AvailabilityZone":"us-east-1a","IpAddress":"10.0.0.1"}`, Want: "UnsupportedOperationException Holdfast does not support the parameter IpAddress."},
		{Operation: "CreateHsm", Body: `{"ClusterId":"` + clusterID + `","AvailabilityZone":"here"}`, Want: one + `'here' at 'availabilityZone' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]{2}(-(gov))?-(east|west|north|south|central){1,2}-\d[a-z]`},
		{Operation: "DeleteHsm", Body: named, Want: "CloudHsmInvalidRequestException Exactly one of EniId, EniIp or HsmId must be specified."},
		{Operation: "DeleteHsm", Body: `{"ClusterId":"` + clusterID + `","EniIp":"10.0.0.1"}`, Want: "UnsupportedOperationException Holdfast does not support the parameter EniIp."},
		{Operation: "ModifyCluster", Body: named, Want: "CloudHsmInvalidRequestException A backup retention policy must be specified."},
		{Operation: "ModifyCluster", Body: `{"ClusterId":"` + clusterID + `","HsmType":"hsm2m.medium"}`, Want: "UnsupportedOperationException Holdfast does not support the parameter HsmType."},
		{Operation: "InitializeCluster", Body: `{"ClusterId":"` + clusterID + `","SignedCert":"ü","TrustAnchor":""}`, Want: one + `'ü' at 'signedCert' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9+-/=\s]*`},
		{Operation: "DescribeClusters", Body: `{"Filters":{"names":["x"]}}`, Want: "CloudHsmInvalidRequestException The filter 'names' is not known."},
		{Operation: "DescribeClusters", Body: `{"Filters":{"states":["x"]}}`, Want: "CloudHsmInvalidRequestException The value 'x' of the filter 'states' is not one of CREATE_IN_PROGRESS, UNINITIALIZED, INITIALIZE_IN_PROGRESS, INITIALIZED, ACTIVE, UPDATE_IN_PROGRESS, MODIFY_IN_PROGRESS, ROLLBACK_IN_PROGRESS, DELETE_IN_PROGRESS, DELETED, DEGRADED."},
		{Operation: "DescribeClusters", Body: `{"MaxResults":26}`, Want: one + "'26' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 25"},
		{Operation: "DescribeClusters", Body: `{"NextToken":"x"}`, Want: "CloudHsmInvalidRequestException The NextToken is not of this listing."},
		{Operation: "DescribeBackups", Body: `{"Filters":{"neverExpires":["x"]}}`, Want: "CloudHsmInvalidRequestException The filter 'neverExpires' takes true or false."},
		{Operation: "DescribeBackups", Body: `{"Filters":{"clusterIds":["` + backupID + `"]}}`, Want: "CloudHsmInvalidRequestException The value '" + backupID + "' of the filter 'clusterIds' is not the id of a cluster."},
		{Operation: "DescribeBackups", Body: `{"Shared":true}`, Want: "UnsupportedOperationException Holdfast does not support the parameter Shared."},
		{Operation: "ModifyBackupAttributes", Body: backup, Want: one + "null at 'neverExpires' failed to satisfy constraint: Member must not be null"},
		{Operation: "CopyBackupToRegion", Body: backup, Want: one + "null at 'destinationRegion' failed to satisfy constraint: Member must not be null"},
		{Operation: "GetResourcePolicy", Body: `{}`, Want: "CloudHsmInvalidRequestException The ResourceArn of a backup must be specified."},
		{Operation: "GetResourcePolicy", Body: policy("cluster"), Want: "CloudHsmInvalidRequestException The resource arn:aws:cloudhsm:us-east-1:123456789012:cluster/cluster-ro5c4er4aac cannot have a resource policy: only backups can."},
		{Operation: "GetResourcePolicy", Body: strings.Replace(policy("backup"), "us-east-1", "us-west-2", 1), Want: "CloudHsmResourceNotFoundException The backup " + strings.Replace(backupARN, "us-east-1", "us-west-2", 1) + " is not of this account and region."},
		{Operation: "PutResourcePolicy", Body: policy("backup"), Want: "CloudHsmInvalidRequestException A policy must be specified."},
		{Operation: "ListTags", Body: `{"ResourceId":"hsm-igklspoyj5v"}`, Want: one + "'hsm-igklspoyj5v' at 'resourceId' failed to satisfy constraint: Member must satisfy regular expression pattern: (?:cluster|backup)-[2-7a-zA-Z]{11,16}"},
		{Operation: "UntagResource", Body: `{"ResourceId":"` + clusterID + `","TagKeyList":[]}`, Want: one + "'[]' at 'tagKeyList' failed to satisfy constraint: Member must have length greater than or equal to 1"},
	})
}

// TestNoVPC: no cluster is in a VPC, which is asked all the same, so that it is
// decided and on record.
func TestNoVPC(t *testing.T) {
	d := newDoor()
	d.Next = "next"
	a := send(t, d, "DescribeClusters", `{"Filters":{"vpcIds":["vpc-1"]}}`)
	if a.Body != `{"Clusters":[]}` || len(d.Log) != 1 {
		t.Errorf("%s, asked %v", a.Body, d.Log)
	}
}
