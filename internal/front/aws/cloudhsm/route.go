package cloudhsm

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the API of AWS CloudHSM over clusters.
func New(clusters Clusters) aws.Service {
	f := &front{clusters}
	return aws.Service{
		API: "aws.cloudhsm", Scope: "cloudhsm", Target: "BaldrApiService", Operations: f.table(), Explain: explain,
	}
}

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("CopyBackupToRegion", key.CopyBackup, f.copyBackupToRegion),
		aws.JSON("CreateCluster", key.CreateCluster, f.createCluster),
		aws.JSON("CreateHsm", key.CreateHSM, f.createHsm),
		aws.JSON("DeleteBackup", key.DeleteBackup, f.deleteBackup),
		aws.JSON("DeleteCluster", key.DeleteCluster, f.deleteCluster),
		aws.JSON("DeleteHsm", key.DeleteHSM, f.deleteHsm),
		aws.JSON("DeleteResourcePolicy", key.DeleteClusterPolicy, f.deleteResourcePolicy),
		aws.JSON("DescribeBackups", key.DescribeBackups, f.describeBackups),
		aws.JSON("DescribeClusters", key.DescribeClusters, f.describeClusters),
		aws.JSON("GetResourcePolicy", key.GetClusterPolicy, f.getResourcePolicy),
		aws.JSON("InitializeCluster", key.InitializeCluster, f.initializeCluster),
		aws.JSON("ListTags", key.ListClusterTags, f.listTags),
		aws.JSON("ModifyBackupAttributes", key.ModifyBackup, f.modifyBackupAttributes),
		aws.JSON("ModifyCluster", key.ModifyCluster, f.modifyCluster),
		aws.JSON("PutResourcePolicy", key.PutClusterPolicy, f.putResourcePolicy),
		aws.JSON("RestoreBackup", key.RestoreBackup, f.restoreBackup),
		aws.JSON("TagResource", key.TagCluster, f.tagResource),
		aws.JSON("UntagResource", key.UntagCluster, f.untagResource),
	}
}

// Operations returns all operations of AWS CloudHSM in the order of their
// names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), nil) }
