package cloudhsm

import (
	"encoding/pem"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The enumerations of AWS's model.
var (
	clusterStates = []string{
		"CREATE_IN_PROGRESS", "UNINITIALIZED", "INITIALIZE_IN_PROGRESS", "INITIALIZED", "ACTIVE", "UPDATE_IN_PROGRESS",
		"MODIFY_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETED", "DEGRADED",
	}
	backupStates   = []string{"CREATE_IN_PROGRESS", "READY", "DELETED", "PENDING_DELETION"}
	networkTypes   = []string{ipv4, "DUALSTACK"}
	modes          = []string{"FIPS", nonFIPS}
	retentionTypes = []string{days}
)

const (
	ipv4    = "IPV4"
	nonFIPS = "NON_FIPS"
	days    = "DAYS"
)

// stateNames are AWS's names of the clusters' states.
var stateNames = map[cluster.State]string{
	cluster.Uninitialised: "UNINITIALIZED", cluster.Initialised: "INITIALIZED", cluster.Active: "ACTIVE",
	cluster.Degraded: "DEGRADED", cluster.Deleted: "DELETED",
}

// hsmStateNames are AWS's names of the HSMs' states.
var hsmStateNames = map[cluster.HSMState]string{
	cluster.HSMCreating: "CREATE_IN_PROGRESS", cluster.HSMActive: "ACTIVE", cluster.HSMDegraded: "DEGRADED",
}

// backupStateNames are AWS's names of the backups' states.
var backupStateNames = map[cluster.BackupState]string{
	cluster.BackupReady: "READY", cluster.BackupPendingDeletion: "PENDING_DELETION",
}

// Lengths of AWS's model.
const (
	maxText      = 2048 // of what only has a pattern
	maxSubnets   = 10
	maxHSMType   = 32
	maxCert      = 20000
	maxPolicy    = 20000
	maxTags      = 50
	maxNextToken = 256
	maxFilters   = 30
	maxClusters  = 25
	maxBackups   = 50
	maxTagPage   = 100
)

// Patterns of AWS's model.
var (
	clusterPattern  = aws.Regexp(`cluster-[2-7a-zA-Z]{11,16}`)
	hsmPattern      = aws.Regexp(`hsm-[2-7a-zA-Z]{11,16}`)
	backupPattern   = aws.Regexp(`backup-[2-7a-zA-Z]{11,16}`)
	resourcePattern = aws.Regexp(`(?:cluster|backup)-[2-7a-zA-Z]{11,16}`)
	sourcePattern   = aws.Regexp(`^(arn:aws(-(us-gov))?:cloudhsm:([a-z]{2}(-(gov|isob|iso))?-(east|west|north|south|central){1,2}-[0-9]{1}):` +
		`[0-9]{12}:backup/)?backup-[2-7a-zA-Z]{11,16}`)
	arnPattern = aws.Regexp(`arn:aws(-(us-gov))?:cloudhsm:([a-z]{2}(-(gov|isob|iso))?-(east|west|north|south|central){1,2}-[0-9]{1}):` +
		`[0-9]{12}:(backup/backup|cluster/cluster|hsm/hsm)-[2-7a-zA-Z]{11,16}`)
	hsmTypePattern = aws.Regexp(`((p|)hsm[0-9][a-z.]*\.[a-zA-Z]+)`)
	subnetPattern  = aws.Regexp(`subnet-[0-9a-fA-F]{8,17}`)
	zonePattern    = aws.Regexp(`[a-z]{2}(-(gov))?-(east|west|north|south|central){1,2}-\d[a-z]`)
	regionPattern  = aws.Regexp(`[a-z]{2}(-(gov))?-(east|west|north|south|central){1,2}-\d`)
	certPattern    = aws.Regexp(`[a-zA-Z0-9+-/=\s]*`)
	tagPattern     = aws.Regexp(`^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`)
	digitsPattern  = aws.Regexp(`[0-9]+`)
)

// idOf returns the core's id in one that a pattern has let through.
func idOf(s string) string {
	_, id, _ := strings.Cut(s, "-")
	return id
}

// thing returns the cluster or the backup of a ResourceId.
func thing(s string) cluster.Thing {
	kind, id, _ := strings.Cut(s, "-")
	return cluster.Thing{Kind: key.ResourceKind(kind), ID: id}
}

func clusterID(id string) string { return wire.HSMResourceID(key.KindCluster, id) }
func backupID(id string) string  { return wire.HSMResourceID(key.KindBackup, id) }
func hsmID(id string) string     { return wire.HSMResourceID(key.KindHSM, id) }

// inPEM returns DER in PEM.
func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// invalid returns the exception for a request that cannot be served as it is.
func invalid(message string) error { return wire.Invalid(invalidRequest, message) }

// tag is a Tag of AWS CloudHSM.
type tag struct{ key, value string }

// Members declares the structure.
func (t *tag) Members(m *aws.Members) {
	m.Text("Key", &t.key, 1, 128).Matching(tagPattern).Required()
	m.Text("Value", &t.value, 0, 256).Matching(tagPattern).Required()
}

// declareTags declares a TagList.
func declareTags(m *aws.Members, to *[]tag) *aws.Member {
	return aws.Structs(m, "TagList", to, maxTags).AtLeast(1)
}

func keyTags(list []tag) []key.Tag {
	var out []key.Tag
	for _, t := range list {
		out = append(out, key.Tag{Key: t.key, Value: t.value})
	}
	return out
}

// writeTags adds a TagList.
func writeTags(out *wire.Encoder, tags []key.Tag) {
	out.Array("TagList", func() {
		for _, t := range tags {
			out.Object("", func() {
				out.Text("Key", t.Key)
				out.Text("Value", t.Value)
			})
		}
	})
}
