package pca_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	caID   = "11111111-2222-3333-4444-555555555555"
	caARN  = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/" + caID
	serial = "0102030405060708090a0b0c0d0e0f10"
)

// door is authorities that note what they are asked and know one authority.
type door struct {
	awstest.Door
	authority *ca.Authority
}

func newDoor() *door {
	at := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	return &door{authority: &ca.Authority{
		ID: caID, Realm: key.DefaultRealm, Region: "us-east-1", Type: ca.Subordinate, Mode: ca.ShortLived, State: ca.Active,
		Spec: alg.P384, Algorithm: alg.ECDSASHA384, Certificate: []byte("own"), Chain: [][]byte{[]byte("issuer"), []byte("root")},
		Revocation: ca.RevocationConfig{
			CRL:  ca.CRLConfig{Enabled: true, ValidityDays: 30, Shards: 8, CustomName: "crl.example.com", Path: "a/b", Bucket: "bucket"},
			OCSP: ca.OCSPConfig{Enabled: true, CustomName: "ocsp.example.com"},
		},
		Tags:      []key.Tag{{Key: "a", Value: "b"}, {Key: "team", Value: "pki"}},
		Policy:    key.Document{Dialect: wire.Dialect, Text: `{"Version":"2012-10-17"}`},
		CreatedAt: at, UpdatedAt: at, StateChangedAt: at, KeyStandard: "FIPS_140_2_LEVEL_2_OR_HIGHER",
		Permissions: []ca.Permission{
			{Principal: "acm.amazonaws.com", Realm: key.DefaultRealm, Actions: []key.Action{key.IssueCertificate, key.GetCertificate}, CreatedAt: at},
			{Principal: "other.example.com", Realm: key.DefaultRealm, Actions: []key.Action{key.ListPermissions}, CreatedAt: at},
		},
	}}
}

func (d *door) ByID(id string) (*ca.Authority, bool) { return d.authority, id == d.authority.ID }

func (d *door) CreateAuthority(_ context.Context, c *key.Call, req *ca.CreateAuthorityRequest) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "CreateAuthority", req, "token:"+req.Token)
}

func (d *door) Authority(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "Authority", id)
}

func (d *door) Authorities(_ context.Context, c *key.Call, p kms.Page) ([]*ca.Authority, string, error) {
	elsewhere := *d.authority
	elsewhere.Region = "eu-west-1"
	return []*ca.Authority{d.authority, &elsewhere}, d.Next, d.NoteJSON(c, "Authorities", p)
}

func (d *door) UpdateAuthority(_ context.Context, c *key.Call, id string, u ca.Update) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "UpdateAuthority", id, u)
}

func (d *door) DeleteAuthority(_ context.Context, c *key.Call, id string, days int) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "DeleteAuthority", id, days)
}

func (d *door) RestoreAuthority(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "RestoreAuthority", id)
}

func (d *door) AuthorityCSR(_ context.Context, c *key.Call, id string) ([]byte, error) {
	return []byte("request"), d.NoteJSON(c, "AuthorityCSR", id)
}

func (d *door) AuthorityCertificate(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "AuthorityCertificate", id)
}

func (d *door) ImportAuthorityCertificate(_ context.Context, c *key.Call, id string, own []byte, chain [][]byte) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "ImportAuthorityCertificate", id, len(own), len(chain))
}

func (d *door) Issue(_ context.Context, c *key.Call, req *ca.IssueRequest) (*ca.Issued, error) {
	asked := fmt.Sprintf("%s %s csr:%d %s token:%s subject:%s validity:%+v", req.Authority, req.Inline.Name, len(req.CSR),
		req.Algorithm, req.Token, req.Subject, req.Validity)
	return &ca.Issued{Certificate: &ca.Certificate{Serial: serial}}, d.NoteJSON(c, "Issue", asked, req.Extensions)
}

func (d *door) Certificate(_ context.Context, c *key.Call, authority, serial string) (*ca.Certificate, error) {
	return &ca.Certificate{DER: []byte("certificate")}, d.NoteJSON(c, "Certificate", authority, serial)
}

func (d *door) Revoke(_ context.Context, c *key.Call, authority, serial string, reason ca.Reason) (*ca.Certificate, error) {
	at := c.Time
	return &ca.Certificate{RevokedAt: &at}, d.NoteJSON(c, "Revoke", authority, serial, reason.String())
}

func (d *door) CreatePermission(_ context.Context, c *key.Call, id string, p ca.Permission) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "CreatePermission", id, fmt.Sprintf("%s %s %v", p.Principal, p.Realm, p.Actions))
}

func (d *door) DeletePermission(_ context.Context, c *key.Call, id, principal string, realm key.RealmID) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "DeletePermission", id, principal, string(realm))
}

func (d *door) ListPermissions(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "ListPermissions", id)
}

func (d *door) PutPolicy(_ context.Context, c *key.Call, id string, doc key.Document) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "PutPolicy", id, doc)
}

func (d *door) Policy(_ context.Context, c *key.Call, id string) (key.Document, error) {
	return d.authority.Policy, d.NoteJSON(c, "Policy", id)
}

func (d *door) DeletePolicy(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "DeletePolicy", id)
}

func (d *door) Tag(_ context.Context, c *key.Call, id string, tags []key.Tag) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "Tag", id, tags)
}

func (d *door) Untag(_ context.Context, c *key.Call, id string, keys []string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "Untag", id, keys)
}

func (d *door) ListTags(_ context.Context, c *key.Call, id string) (*ca.Authority, error) {
	return d.authority, d.NoteJSON(c, "ListTags", id)
}

func (d *door) CreateReport(_ context.Context, c *key.Call, req *inventory.ReportRequest) (*inventory.Report, error) {
	return d.report(), d.NoteJSON(c, "CreateReport", req)
}

func (d *door) DescribeReport(_ context.Context, c *key.Call, authority, id string) (*inventory.Report, error) {
	return d.report(), d.NoteJSON(c, "DescribeReport", authority, id)
}

func (d *door) report() *inventory.Report {
	return &inventory.Report{
		ID: reportID, Authority: caID, Bucket: "reports", Name: "audit-report/" + caID + "/" + reportID + ".json",
		State: inventory.ReportDone, CreatedAt: d.authority.CreatedAt,
	}
}

const reportID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

// fake returns the API over a new door.
func fake(testing.TB) (front.Service, *awstest.Door) {
	d := newDoor()
	return pca.New(d, d), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(pca.New(d, d), d).Send(t, operation, body)
}
