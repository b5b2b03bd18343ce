package cloudhsm

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// retention is a BackupRetentionPolicy.
type retention struct{ kind, value string }

// Members declares the structure.
func (r *retention) Members(m *aws.Members) {
	m.Enum("Type", &r.kind, retentionTypes)
	m.Text("Value", &r.value, 1, 3).Matching(digitsPattern)
}

// days returns the number of days; 0 for no policy, or one that says nothing.
func (r *retention) days() (int, error) {
	if r == nil || r.value == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(r.value)
	if err != nil || n < cluster.MinRetention || n > cluster.MaxRetention {
		return 0, invalid("The backup retention period must be between " + strconv.Itoa(cluster.MinRetention) + " and " +
			strconv.Itoa(cluster.MaxRetention) + " days.")
	}
	return n, nil
}

type createClusterRequest struct {
	retention         *retention
	hsmType, source   string
	subnets           []string
	networkType, mode string
	tags              []tag
}

// Members declares CreateCluster's request.
func (r *createClusterRequest) Members(m *aws.Members) {
	aws.Struct(m, "BackupRetentionPolicy", &r.retention)
	m.Text("HsmType", &r.hsmType, 0, maxHSMType).Matching(hsmTypePattern).Required()
	m.Text("SourceBackupId", &r.source, 0, maxText).Matching(sourcePattern)
	m.List("SubnetIds", &r.subnets, maxSubnets, 1, maxText).Matching(subnetPattern).AtLeast(1).Required()
	m.Enum("NetworkType", &r.networkType, networkTypes)
	declareTags(m, &r.tags)
	m.Enum("Mode", &r.mode, modes)
}

func (f *front) createCluster(ctx context.Context, x *aws.Exchange, in *createClusterRequest) error {
	req := &cluster.CreateRequest{Model: in.hsmType, Tags: keyTags(in.tags), Zones: zones(x.Call.Region, in.subnets)}
	var err error
	if req.RetentionDays, err = in.retention.days(); err != nil {
		return err
	}
	switch {
	case in.networkType != "" && in.networkType != ipv4:
		return wire.Unsupported("Holdfast does not support the NetworkType " + in.networkType + ".")
	case in.mode != "" && in.mode != nonFIPS:
		return wire.Unsupported("Holdfast does not support the Mode " + in.mode + ": it cannot know in which mode a token is.")
	case in.source != "":
		if req.Source, err = backupOf(x, in.source); err != nil {
			return err
		}
	}
	c, err := f.clusters.Create(ctx, &x.Call, req)
	if err != nil {
		return err
	}
	x.Out.Object("Cluster", func() { writeCluster(&x.Out, c) })
	return nil
}

// zones gives every subnet a zone of the region, in the order of the alphabet:
// which one a subnet is in is known to AWS alone.
func zones(region string, subnets []string) []cluster.Zone {
	var list []cluster.Zone
	for i, subnet := range subnets {
		list = append(list, cluster.Zone{Name: region + string(rune('a'+i)), Network: subnet})
	}
	return list
}

// clusterRequest is the request of operations that take a cluster and nothing
// else, and the part of others that names it.
type clusterRequest struct{ cluster string }

// Members declares the request.
func (r *clusterRequest) Members(m *aws.Members) {
	m.Text("ClusterId", &r.cluster, 0, maxText).Matching(clusterPattern).Required()
}

func (f *front) deleteCluster(ctx context.Context, x *aws.Exchange, in *clusterRequest) error {
	c, err := f.clusters.Delete(ctx, &x.Call, idOf(in.cluster))
	if err != nil {
		return err
	}
	x.Out.Object("Cluster", func() { writeCluster(&x.Out, c) })
	return nil
}

type modifyClusterRequest struct {
	clusterRequest
	retention *retention
}

// Members declares ModifyCluster's request.
func (r *modifyClusterRequest) Members(m *aws.Members) {
	m.Unsupported("HsmType")
	aws.Struct(m, "BackupRetentionPolicy", &r.retention)
	r.clusterRequest.Members(m)
}

func (f *front) modifyCluster(ctx context.Context, x *aws.Exchange, in *modifyClusterRequest) error {
	n, err := in.retention.days()
	if err != nil {
		return err
	}
	if n == 0 {
		return invalid("A backup retention policy must be specified.")
	}
	c, err := f.clusters.Modify(ctx, &x.Call, idOf(in.cluster), n)
	if err != nil {
		return err
	}
	x.Out.Object("Cluster", func() { writeCluster(&x.Out, c) })
	return nil
}

type initializeClusterRequest struct {
	clusterRequest
	certificate, anchor string
}

// Members declares InitializeCluster's request.
func (r *initializeClusterRequest) Members(m *aws.Members) {
	r.clusterRequest.Members(m)
	m.Text("SignedCert", &r.certificate, 0, maxCert).Matching(certPattern).Required()
	m.Text("TrustAnchor", &r.anchor, 0, maxCert).Matching(certPattern).Required()
}

func (f *front) initializeCluster(ctx context.Context, x *aws.Exchange, in *initializeClusterRequest) error {
	c, err := f.clusters.Initialise(ctx, &x.Call, idOf(in.cluster), &cluster.Claim{
		Certificate: []byte(in.certificate), Anchor: []byte(in.anchor),
	})
	if err != nil {
		return err
	}
	x.Out.Text("State", stateNames[c.State()])
	writeMessage(&x.Out, c)
	return nil
}

type createHsmRequest struct {
	clusterRequest
	zone string
}

// Members declares CreateHsm's request.
func (r *createHsmRequest) Members(m *aws.Members) {
	r.clusterRequest.Members(m)
	m.Text("AvailabilityZone", &r.zone, 0, maxText).Matching(zonePattern).Required()
	m.Unsupported("IpAddress")
}

func (f *front) createHsm(ctx context.Context, x *aws.Exchange, in *createHsmRequest) error {
	h, err := f.clusters.CreateHSM(ctx, &x.Call, idOf(in.cluster), in.zone)
	if err != nil {
		return err
	}
	x.Out.Object("Hsm", func() { writeHSM(&x.Out, idOf(in.cluster), h) })
	return nil
}

type deleteHsmRequest struct {
	clusterRequest
	hsm string
}

// Members declares DeleteHsm's request.
func (r *deleteHsmRequest) Members(m *aws.Members) {
	r.clusterRequest.Members(m)
	m.Text("HsmId", &r.hsm, 0, maxText).Matching(hsmPattern)
	m.Unsupported("EniId")
	m.Unsupported("EniIp")
}

func (f *front) deleteHsm(ctx context.Context, x *aws.Exchange, in *deleteHsmRequest) error {
	if in.hsm == "" {
		return invalid("Exactly one of EniId, EniIp or HsmId must be specified.")
	}
	if err := f.clusters.DeleteHSM(ctx, &x.Call, idOf(in.cluster), idOf(in.hsm)); err != nil {
		return err
	}
	x.Out.Text("HsmId", in.hsm)
	return nil
}

// listRequest is the part of a request that asks for a page.
type listRequest struct {
	aws.PageRequest
	filters map[string][]string
}

// page declares NextToken and MaxResults.
func (r *listRequest) page(m *aws.Members, most int) {
	m.Text("NextToken", &r.Marker, 0, maxNextToken)
	m.Int("MaxResults", &r.Limit, 1, most)
}

// strayToken is the text for a NextToken that is of another listing, or none.
const strayToken = "the NextToken is not of this listing"

type describeClustersRequest struct{ listRequest }

// Members declares DescribeClusters's request.
func (r *describeClustersRequest) Members(m *aws.Members) {
	m.Lists("Filters", &r.filters, maxFilters)
	r.page(m, maxClusters)
}

func (f *front) describeClusters(ctx context.Context, x *aws.Exchange, in *describeClustersRequest) error {
	page, err := x.Page(in.PageRequest, maxClusters, strayToken)
	if err != nil {
		return err
	}
	l, nothing, err := clusterFilter(in.filters)
	if err != nil {
		return err
	}
	l.Page = page
	list, next, err := f.clusters.List(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	if nothing {
		list, next = nil, ""
	}
	x.Out.Array("Clusters", func() {
		for _, c := range list {
			x.Out.Object("", func() { writeCluster(&x.Out, c) })
		}
	})
	writeNext(x, next)
	return nil
}

// writeNext adds where a listing goes on.
func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Out.Text("NextToken", x.NextMarker(next))
	}
}

// writeCluster adds the members of a Cluster.
func writeCluster(out *wire.Encoder, c *cluster.Cluster) {
	out.Text("BackupPolicy", "DEFAULT")
	out.Object("BackupRetentionPolicy", func() {
		out.Text("Type", days)
		out.Text("Value", strconv.Itoa(c.RetentionDays))
	})
	out.Text("ClusterId", clusterID(c.ID))
	out.Time("CreateTimestamp", c.CreatedAt)
	out.Array("Hsms", func() {
		for i := range c.HSMs {
			out.Object("", func() { writeHSM(out, c.ID, &c.HSMs[i]) })
		}
	})
	out.Text("HsmType", c.Model)
	if c.SourceBackup != "" {
		out.Text("SourceBackupId", backupID(c.SourceBackup))
	}
	out.Text("State", stateNames[c.State()])
	writeMessage(out, c)
	out.Object("SubnetMapping", func() {
		for _, z := range c.Zones {
			out.Text(z.Name, z.Network)
		}
	})
	out.Object("Certificates", func() {
		if c.Request != nil {
			out.Text("ClusterCsr", inPEM("CERTIFICATE REQUEST", c.Request))
		}
		if c.Certificate != nil {
			out.Text("ClusterCertificate", inPEM("CERTIFICATE", c.Certificate))
		}
	})
	writeTags(out, c.Tags)
}

// maxMessage is the longest StateMessage of AWS's model.
const maxMessage = 300

// writeMessage adds the StateMessage: what is wrong with the first HSM with
// which something is.
func writeMessage(out *wire.Encoder, c *cluster.Cluster) {
	for _, h := range c.HSMs {
		if h.Why != "" {
			text := hsmID(h.ID) + ": " + h.Why
			out.Text("StateMessage", text[:min(len(text), maxMessage)])
			return
		}
	}
}

// writeHSM adds the members of an Hsm.
func writeHSM(out *wire.Encoder, cluster string, h *cluster.HSM) {
	out.Text("AvailabilityZone", h.Zone.Name)
	out.Text("ClusterId", clusterID(cluster))
	out.Text("SubnetId", h.Zone.Network)
	out.Text("HsmId", hsmID(h.ID))
	out.Text("State", hsmStateNames[h.State])
	if h.Why != "" {
		out.Text("StateMessage", h.Why)
	}
}

// backupOf returns the backup of an id or an ARN.
func backupOf(x *aws.Exchange, s string) (key.Resource, error) {
	if kind, id, ok := wire.ParseHSMResourceID(s); ok && kind == key.KindBackup {
		return key.Resource{Kind: kind, Realm: x.Call.Caller.Principal.Realm, Region: x.Call.Region, ID: id}, nil
	}
	r, ok := wire.ParseResource(s)
	if !ok || r.Kind != key.KindBackup {
		return r, invalid("'" + s + "' is not a backup.")
	}
	return r, nil
}
