package pca_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// plainWrapper wraps nothing: the seal is not what these tests are about.
type plainWrapper struct{}

func (plainWrapper) Wrap(_ key.RealmID, plaintext, _ []byte) ([]byte, error) {
	return bytes.Clone(plaintext), nil
}

func (plainWrapper) Unwrap(_ key.RealmID, wrapped, _ []byte) ([]byte, error) {
	return bytes.Clone(wrapped), nil
}

// policies gives every caller one policy.
type policies struct{ all []*policy.Policy }

func (p *policies) Policies(*key.Caller) []*policy.Policy { return p.all }

// buckets keeps what is put into them.
type buckets struct {
	mu    sync.Mutex // guards files
	files map[string]string
}

func (b *buckets) Put(_ context.Context, bucket, name, _ string, content io.Reader) error {
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[bucket+"/"+name] = string(text)
	return nil
}

func (b *buckets) file(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.files[name]
}

// world is the API over real authorities, keys and reports.
type world struct {
	t       *testing.T
	client  *awstest.Client
	ids     *policies
	buckets *buckets
	log     *audit.Memory
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, ids: &policies{}, buckets: &buckets{files: map[string]string{}}, log: audit.NewMemory(10_000)}
	w.allow(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	store := mem.New()
	engine, err := soft.New(plainWrapper{}, soft.Options{Log: slog.New(slog.DiscardHandler)})
	w.check(err)
	g := guard.New(w.log, w.ids)
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, wire.Vocabulary())
	}
	keys, err := kms.New(t.Context(), kms.Config{Guard: g, Store: store, Engine: engine, Compile: compile, DefaultPolicy: wire.DefaultKeyPolicy})
	w.check(err)
	authorities, err := ca.New(t.Context(), ca.Config{Keys: keys, Guard: g, Store: store, PublicURL: "http://pki.example.com", Compile: compile})
	w.check(err)
	reports, err := inventory.New(t.Context(), inventory.Config{
		Authorities: authorities, Guard: g, Store: store, Sink: w.buckets, Styles: map[string]inventory.Style{pca.ReportStyle: pca.Style()},
	})
	w.check(err)
	t.Cleanup(func() { w.check(reports.Close()); w.check(engine.Close()) })
	w.client = awstest.NewClient(pca.New(authorities, reports), keys)
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// allow gives the caller a policy in place of the one before.
func (w *world) allow(doc string) {
	w.t.Helper()
	p, err := policy.Compile([]byte(doc), policy.ForIdentity, wire.Vocabulary())
	w.check(err)
	w.ids.all = []*policy.Policy{p}
}

// members are those of a request or an answer.
type members = map[string]any

// do runs an operation and fails the test when it fails.
func (w *world) do(operation string, request members) members {
	w.t.Helper()
	a := w.send(operation, request)
	if a.Status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", operation, a.Status, a.Body)
	}
	return a.Fields
}

func (w *world) send(operation string, request members) awstest.Answer {
	w.t.Helper()
	body, err := json.Marshal(request)
	w.check(err)
	return w.client.Send(w.t, operation, string(body))
}

// refused runs an operation that has to fail.
func (w *world) refused(operation string, request members, code, text string) {
	w.t.Helper()
	if a := w.send(operation, request); a.Kind != code || !strings.Contains(a.Message, text) {
		w.t.Errorf("%s: %d %s, want %s %q", operation, a.Status, a.Body, code, text)
	}
}

func text(t *testing.T, m members, name string) string {
	t.Helper()
	s, ok := m[name].(string)
	if !ok {
		t.Fatalf("%s is %v in %v", name, m[name], m)
	}
	return s
}

func arnWith(arn string, more ...any) members {
	m := members{"CertificateAuthorityArn": arn}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// parse returns the certificates of a PEM text.
func parse(t *testing.T, text string) []*x509.Certificate {
	t.Helper()
	var list []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
}

func days(n int) members { return members{"Type": "DAYS", "Value": n} }

// create makes an authority that waits for its certificate.
func (w *world) create(kind, key, signing string, subject members, more ...any) string {
	w.t.Helper()
	req := members{
		"CertificateAuthorityType":          kind,
		"CertificateAuthorityConfiguration": members{"KeyAlgorithm": key, "SigningAlgorithm": signing, "Subject": subject},
	}
	for i := 0; i < len(more); i += 2 {
		req[more[i].(string)] = more[i+1]
	}
	return text(w.t, w.do("CreateCertificateAuthority", req), "CertificateAuthorityArn")
}

// issue has an authority on P-256 issue a certificate and returns it with its ARN and
// its chain.
func (w *world) issue(arn string, csr []byte, more ...any) (string, *x509.Certificate, []*x509.Certificate) {
	w.t.Helper()
	req := arnWith(arn, append([]any{"Csr", csr, "SigningAlgorithm", "SHA256WITHECDSA", "Validity", days(30)}, more...)...)
	issued := text(w.t, w.do("IssueCertificate", req), "CertificateArn")
	got := w.do("GetCertificate", arnWith(arn, "CertificateArn", issued))
	chain, _ := got["CertificateChain"].(string)
	return issued, parse(w.t, text(w.t, got, "Certificate"))[0], parse(w.t, chain)
}

func template(name string) string { return "arn:aws:acm-pca:::template/" + name + "/V1" }

// activate gives an authority the certificate that an issuer makes for it.
func (w *world) activate(arn, issuer, signing, name string) {
	w.t.Helper()
	csr := text(w.t, w.do("GetCertificateAuthorityCsr", arnWith(arn)), "Csr")
	issued := text(w.t, w.do("IssueCertificate", arnWith(issuer, "Csr", []byte(csr), "SigningAlgorithm", signing,
		"TemplateArn", template(name), "Validity", members{"Type": "YEARS", "Value": 5})), "CertificateArn")
	got := w.do("GetCertificate", arnWith(issuer, "CertificateArn", issued))
	req := arnWith(arn, "Certificate", []byte(text(w.t, got, "Certificate")))
	if chain, ok := got["CertificateChain"].(string); ok {
		req["CertificateChain"] = []byte(chain)
	}
	w.do("ImportCertificateAuthorityCertificate", req)
}

// csrOf returns a request in PEM.
func csrOf(t *testing.T, request *x509.CertificateRequest) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, request, k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func (w *world) status(arn string) string {
	w.t.Helper()
	a, ok := w.do("DescribeCertificateAuthority", arnWith(arn))["CertificateAuthority"].(members)
	if !ok {
		w.t.Fatal("no authority")
	}
	return text(w.t, a, "Status")
}

// TestHierarchy is the main job: a root that signs itself, an authority below
// it, a certificate, its revocation, a report; and an end.
func TestHierarchy(t *testing.T) {
	w := newWorld(t)
	root := w.create("ROOT", "EC_secp384r1", "SHA384WITHECDSA", members{"CommonName": "Root", "Country": "TW", "Organization": "Example Corp"})
	if got := w.status(root); got != "PENDING_CERTIFICATE" {
		t.Errorf("the root is %s", got)
	}
	csr := csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"}})
	w.refused("GetCertificateAuthorityCertificate", arnWith(root), "InvalidStateException", "is not in the correct state")
	w.refused("IssueCertificate", arnWith(root, "Csr", csr, "SigningAlgorithm", "SHA384WITHECDSA", "Validity", days(1)),
		"InvalidStateException", "is not in a valid state for issuing certificates")
	w.refused("UpdateCertificateAuthority", arnWith(root, "Status", "DISABLED"),
		"InvalidStateException", "The certificate authority must be in the ACTIVE or DISABLED state to be updated")
	w.activate(root, root, "SHA384WITHECDSA", "RootCACertificate")

	issuing := w.create("SUBORDINATE", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Issuing"},
		"RevocationConfiguration", members{"CrlConfiguration": members{"Enabled": true, "ExpirationInDays": 3}, "OcspConfiguration": members{"Enabled": true}})
	w.activate(issuing, root, "SHA384WITHECDSA", "SubordinateCACertificate_PathLen0")
	if got := w.status(root) + " " + w.status(issuing); got != "ACTIVE ACTIVE" {
		t.Fatal(got)
	}
	arn, leaf, chain := w.issue(issuing, csr)
	if len(chain) != 2 || leaf.CheckSignatureFrom(chain[0]) != nil || chain[0].CheckSignatureFrom(chain[1]) != nil ||
		!slices.Equal(leaf.DNSNames, []string{"web.example.com"}) {
		t.Errorf("%v, chain of %d", leaf.DNSNames, len(chain))
	}
	own := w.do("GetCertificateAuthorityCertificate", arnWith(issuing))
	if got := parse(t, text(t, own, "Certificate")+text(t, own, "CertificateChain")); !slices.EqualFunc(got, chain, (*x509.Certificate).Equal) {
		t.Error("the authority's own chain is another one")
	}
	if top := w.do("GetCertificateAuthorityCertificate", arnWith(root)); top["CertificateChain"] != nil {
		t.Errorf("a root has the chain %v", top["CertificateChain"])
	}

	// The serial with colons, in capitals, as people copy it.
	serial := strings.ToUpper(fmt.Sprintf("%032x", leaf.SerialNumber))
	var colons []string
	for i := 0; i < len(serial); i += 2 {
		colons = append(colons, serial[i:i+2])
	}
	revoke := arnWith(issuing, "CertificateSerial", strings.Join(colons, ":"), "RevocationReason", "KEY_COMPROMISE")
	w.do("RevokeCertificate", revoke)
	revoke["RevocationReason"] = "SUPERSEDED"
	w.refused("RevokeCertificate", revoke, "RequestAlreadyProcessedException", "")
	w.refused("RevokeCertificate", arnWith(issuing, "CertificateSerial", "0102", "RevocationReason", "UNSPECIFIED"), "ResourceNotFoundException", "/certificate/0102")
	w.refused("RevokeCertificate", arnWith(issuing, "CertificateSerial", "xyz", "RevocationReason", "UNSPECIFIED"), "InvalidRequestException", "")
	w.report(issuing, arn)
	w.end(issuing, root)
}

// report makes a report and looks for a revoked certificate in it.
func (w *world) report(issuing, arn string) {
	w.t.Helper()
	asked := w.do("CreateCertificateAuthorityAuditReport", arnWith(issuing, "S3BucketName", "reports", "AuditReportResponseFormat", "JSON"))
	describe := arnWith(issuing, "AuditReportId", asked["AuditReportId"])
	deadline := time.Now().Add(10 * time.Second)
	for w.do("DescribeCertificateAuthorityAuditReport", describe)["AuditReportStatus"] != "SUCCESS" {
		if time.Now().After(deadline) {
			w.t.Fatal("no report")
		}
		time.Sleep(time.Millisecond)
	}
	var rows []map[string]string
	w.check(json.Unmarshal([]byte(w.buckets.file("reports/"+text(w.t, asked, "S3Key"))), &rows))
	if len(rows) != 1 || rows[0]["certificateArn"] != arn || rows[0]["revocationReason"] != "KEY_COMPROMISE" ||
		rows[0]["templateArn"] != template("EndEntityCertificate") || rows[0]["awsAccountId"] != "123456789012" || rows[0]["revokedAt"] == "" {
		w.t.Errorf("the report is %v", rows)
	}
	w.refused("DescribeCertificateAuthorityAuditReport", arnWith(issuing, "AuditReportId", reportID), "ResourceNotFoundException", "")
}

// end deletes authorities, and restores the last of them.
func (w *world) end(list ...string) {
	w.t.Helper()
	for _, arn := range list {
		w.refused("DeleteCertificateAuthority", arnWith(arn), "InvalidStateException", "")
		w.do("UpdateCertificateAuthority", arnWith(arn, "Status", "DISABLED"))
		w.do("DeleteCertificateAuthority", arnWith(arn, "PermanentDeletionTimeInDays", 7))
		if got := w.status(arn); got != "DELETED" {
			w.t.Errorf("%s is %s", arn, got)
		}
		w.refused("UpdateCertificateAuthority", arnWith(arn, "Status", "ACTIVE"), "InvalidStateException", "must be in the ACTIVE or DISABLED state")
	}
	last := list[len(list)-1]
	w.do("RestoreCertificateAuthority", arnWith(last))
	if got := w.status(last); got != "DISABLED" {
		w.t.Errorf("restored as %s", got)
	}
	w.refused("RestoreCertificateAuthority", arnWith(last), "InvalidStateException", "")
}

// TestDescribe holds that an authority is described as it was asked for.
func TestDescribe(t *testing.T) {
	w := newWorld(t)
	subject := members{
		"CommonName": "Everything", "Organization": "O", "OrganizationalUnit": "OU", "Country": "HR", "State": "S", "Locality": "L",
		"SerialNumber": "1", "Title": "T", "Surname": "Su", "GivenName": "G", "Initials": "I", "Pseudonym": "P",
		"GenerationQualifier": "jr", "DistinguishedNameQualifier": "q",
	}
	extensions := members{
		"KeyUsage": members{"KeyCertSign": true, "CRLSign": true, "DigitalSignature": true},
		"SubjectInformationAccess": []members{
			{"AccessMethod": members{"AccessMethodType": "CA_REPOSITORY"}, "AccessLocation": members{"UniformResourceIdentifier": "https://example.com/repo"}},
			{"AccessMethod": members{"CustomObjectIdentifier": "1.2.3.4"}, "AccessLocation": members{"DirectoryName": members{"CommonName": "dir"}}},
			{"AccessMethod": members{"AccessMethodType": "RESOURCE_PKI_NOTIFY"}, "AccessLocation": members{"RegisteredId": "1.2.3"}},
		},
	}
	revocation := members{
		"CrlConfiguration": members{
			"Enabled": true, "ExpirationInDays": 30.0, "CustomCname": "crl.example.com", "S3BucketName": "bucket", "S3ObjectAcl": "PUBLIC_READ",
			"CrlDistributionPointExtensionConfiguration": members{"OmitExtension": true}, "CrlType": "PARTITIONED", "CustomPath": "a/b",
		},
		"OcspConfiguration": members{"Enabled": true, "OcspCustomCname": "ocsp.example.com"},
	}
	arn := text(t, w.do("CreateCertificateAuthority", members{
		"CertificateAuthorityType": "SUBORDINATE", "UsageMode": "SHORT_LIVED_CERTIFICATE", "KeyStorageSecurityStandard": "CCPC_LEVEL_1_OR_HIGHER",
		"CertificateAuthorityConfiguration": members{
			"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA_PSS", "Subject": subject, "CsrExtensions": extensions,
		},
		"RevocationConfiguration": revocation,
	}), "CertificateAuthorityArn")
	got, _ := w.do("DescribeCertificateAuthority", arnWith(arn))["CertificateAuthority"].(members)
	delete(got, "CreatedAt")
	delete(got, "LastStateChangeAt")
	usage := members{}
	for _, bit := range []string{
		"DigitalSignature", "NonRepudiation", "KeyEncipherment", "DataEncipherment", "KeyAgreement", "KeyCertSign", "CRLSign", "EncipherOnly", "DecipherOnly",
	} {
		usage[bit] = bit == "KeyCertSign" || bit == "CRLSign" || bit == "DigitalSignature"
	}
	extensions["KeyUsage"] = usage
	want := members{
		"Arn": arn, "OwnerAccount": "123456789012", "Type": "SUBORDINATE", "Status": "PENDING_CERTIFICATE",
		"UsageMode": "SHORT_LIVED_CERTIFICATE", "KeyStorageSecurityStandard": "CCPC_LEVEL_1_OR_HIGHER", "RevocationConfiguration": revocation,
		"CertificateAuthorityConfiguration": members{
			"KeyAlgorithm": "RSA_2048", "SigningAlgorithm": "SHA256WITHRSA_PSS", "Subject": subject, "CsrExtensions": extensions,
		},
	}
	if diff := cmp.Diff(plain(t, want), plain(t, got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	custom := []members{{"ObjectIdentifier": "2.5.4.3", "Value": "x"}, {"ObjectIdentifier": "1.2.3.4", "Value": "y"}}
	arn = w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CustomAttributes": custom})
	got, _ = w.do("DescribeCertificateAuthority", arnWith(arn))["CertificateAuthority"].(members)
	configuration, _ := got["CertificateAuthorityConfiguration"].(members)
	if diff := cmp.Diff(plain(t, members{"CustomAttributes": custom}), plain(t, configuration["Subject"])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(plain(t, members{"CrlConfiguration": members{"Enabled": false}, "OcspConfiguration": members{"Enabled": false}}),
		plain(t, got["RevocationConfiguration"])); diff != "" {
		t.Errorf("without a word about revocation (-want +got):\n%s", diff)
	}
}

// plain brings a value into the shape that JSON has.
func plain(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPrecedence says where the extensions and the subject of a certificate
// come from: the template, then the caller, then the request.
func TestPrecedence(t *testing.T) {
	w := newWorld(t)
	root := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"})
	w.activate(root, root, "SHA256WITHECDSA", "RootCACertificate_APIPassthrough")
	policies, err := asn1.Marshal([]struct{ ID asn1.ObjectIdentifier }{{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 9}}})
	w.check(err)
	csr := csrOf(t, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "csr.example.com"}, DNSNames: []string{"csr.example.com"},
		ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 32}, Value: policies}, {Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Value: []byte{5, 0}},
		},
	})
	api := members{
		"Subject": members{"CommonName": "api.example.com"},
		"Extensions": members{
			"SubjectAlternativeNames": []members{{"DnsName": "api.example.com"}},
			"ExtendedKeyUsage":        []members{{"ExtendedKeyUsageType": "TIME_STAMPING"}},
			"CertificatePolicies":     []members{{"CertPolicyId": "1.3.6.1.4.1.99999.8"}},
		},
	}
	for _, c := range []struct {
		template, name, usage, policy string
		custom                        bool // the extension that only the CSR has
	}{
		{"EndEntityServerAuthCertificate", "csr.example.com", "[serverAuth]", "", false},
		{"EndEntityServerAuthCertificate_CSRPassthrough", "csr.example.com", "[serverAuth]", "1.3.6.1.4.1.99999.9", true},
		{"EndEntityServerAuthCertificate_APIPassthrough", "api.example.com", "[serverAuth]", "1.3.6.1.4.1.99999.8", false},
		{"EndEntityServerAuthCertificate_APICSRPassthrough", "api.example.com", "[serverAuth]", "1.3.6.1.4.1.99999.8", true},
		{"BlankEndEntityCertificate_CSRPassthrough", "csr.example.com", "[]", "1.3.6.1.4.1.99999.9", true},
		{"BlankEndEntityCertificate_APIPassthrough", "api.example.com", "[timeStamping]", "1.3.6.1.4.1.99999.8", false},
		{"BlankEndEntityCertificate_APICSRPassthrough", "api.example.com", "[timeStamping]", "1.3.6.1.4.1.99999.8", true},
	} {
		t.Run(c.template, func(t *testing.T) {
			w := &world{t: t, client: w.client}
			_, got, _ := w.issue(root, csr, "TemplateArn", template(c.template), "ApiPassthrough", api)
			policy := ""
			if len(got.Policies) > 0 {
				policy = got.Policies[0].String()
			}
			custom := slices.ContainsFunc(got.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "1.3.6.1.4.1.99999.1" })
			if got.Subject.CommonName != c.name || !slices.Equal(got.DNSNames, []string{c.name}) || fmt.Sprint(got.ExtKeyUsage) != c.usage ||
				policy != c.policy || custom != c.custom || got.IsCA {
				t.Errorf("%s %v %v policy %s custom %v", got.Subject, got.DNSNames, got.ExtKeyUsage, policy, custom)
			}
		})
	}
	sub := csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Sub"}})
	_, got, _ := w.issue(root, sub, "TemplateArn", template("BlankSubordinateCACertificate_PathLen2_APIPassthrough"),
		"ApiPassthrough", members{"Extensions": members{"KeyUsage": members{"KeyCertSign": true, "CRLSign": true}}})
	if !got.IsCA || got.MaxPathLen != 2 || got.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("CA %v, path length %d, usage %b", got.IsCA, got.MaxPathLen, got.KeyUsage)
	}
}

// TestAuthorization holds that policies in AWS's words decide: the authority's
// ARN is the resource also for its certificates, and the template a condition.
func TestAuthorization(t *testing.T) {
	w := newWorld(t)
	root := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"})
	w.activate(root, root, "SHA256WITHECDSA", "RootCACertificate")
	csr := csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"}})
	w.allow(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["acm-pca:GetCertificate","acm-pca:DescribeCertificateAuthority"],"Resource":"` + root + `"},
		{"Effect":"Allow","Action":"acm-pca:IssueCertificate","Resource":"` + root + `",
		 "Condition":{"StringLike":{"acm-pca:TemplateArn":"arn:aws:acm-pca:::template/EndEntity*/V1"}}}]}`)
	w.issue(root, csr)
	w.issue(root, csr, "TemplateArn", template("EndEntityClientAuthCertificate"))
	issue := arnWith(root, "Csr", csr, "SigningAlgorithm", "SHA256WITHECDSA", "Validity", days(1), "TemplateArn", template("CodeSigningCertificate"))
	w.refused("IssueCertificate", issue, "AccessDeniedException", "not authorized to perform: acm-pca:IssueCertificate on resource: "+root)
	w.refused("RevokeCertificate", arnWith(root, "CertificateSerial", "01", "RevocationReason", "UNSPECIFIED"),
		"AccessDeniedException", "acm-pca:RevokeCertificate on resource: "+root)
	w.refused("ListCertificateAuthorities", members{}, "AccessDeniedException", "acm-pca:ListCertificateAuthorities on resource: *")
}

// TestToken holds that a repeated request is the same one for a while.
func TestToken(t *testing.T) {
	w := newWorld(t)
	first := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"}, "IdempotencyToken", "one")
	if again := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"}, "IdempotencyToken", "one"); again != first {
		t.Errorf("the same request made %s and %s", first, again)
	}
	if other := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"}, "IdempotencyToken", "two"); other == first {
		t.Error("another token made the same authority")
	}
	w.activate(first, first, "SHA256WITHECDSA", "RootCACertificate")
	csr := csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"}})
	a, _, _ := w.issue(first, csr, "IdempotencyToken", "one")
	if b, _, _ := w.issue(first, csr, "IdempotencyToken", "one"); a != b {
		t.Errorf("the same request made %s and %s", a, b)
	}
	w.refused("IssueCertificate", arnWith(first, "Csr", csr, "SigningAlgorithm", "SHA256WITHECDSA", "Validity", days(31), "IdempotencyToken", "one"),
		"InvalidArgsException", "")
	if b, _, _ := w.issue(first, csr); a == b {
		t.Error("a request without a token made the same certificate")
	}
}

// TestAround has tags, permissions and policies of an authority.
func TestAround(t *testing.T) {
	w := newWorld(t)
	arn := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"}, "Tags", []members{{"Key": "Environment", "Value": "Production"}})
	w.do("TagCertificateAuthority", arnWith(arn, "Tags", []members{{"Key": "Owner", "Value": "anna"}, {"Key": "Empty"}}))
	w.do("UntagCertificateAuthority", arnWith(arn, "Tags", []members{{"Key": "Environment", "Value": "Test"}, {"Key": "Empty"}}))
	want := []members{{"Key": "Environment", "Value": "Production"}, {"Key": "Owner", "Value": "anna"}}
	if diff := cmp.Diff(plain(t, want), w.do("ListTags", arnWith(arn))["Tags"]); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	w.refused("TagCertificateAuthority", arnWith(arn, "Tags", []members{{"Key": "aws:x", "Value": ""}}), "InvalidTagException", "")
	w.refused("TagCertificateAuthority", arnWith(arn, "Tags", []members{{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}}), "InvalidTagException", "")
	var many []members
	for i := range 49 {
		many = append(many, members{"Key": fmt.Sprint("k", i), "Value": ""})
	}
	w.refused("TagCertificateAuthority", arnWith(arn, "Tags", many), "TooManyTagsException", "")

	permission := arnWith(arn, "Principal", "acm.amazonaws.com", "Actions", []string{"ListPermissions", "IssueCertificate", "GetCertificate"})
	w.do("CreatePermission", permission)
	w.refused("CreatePermission", permission, "PermissionAlreadyExistsException", "")
	if list, _ := w.do("ListPermissions", arnWith(arn))["Permissions"].([]any); len(list) != 1 {
		t.Errorf("permissions %v", list)
	}
	w.do("DeletePermission", arnWith(arn, "Principal", "acm.amazonaws.com"))
	w.refused("DeletePermission", arnWith(arn, "Principal", "acm.amazonaws.com"), "ResourceNotFoundException", "")

	ofPolicy := members{"ResourceArn": arn}
	w.refused("GetPolicy", ofPolicy, "ResourceNotFoundException", "")
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"acm-pca:GetCertificate","Resource":"` + arn + `"}]}`
	w.do("PutPolicy", members{"ResourceArn": arn, "Policy": doc})
	if got := text(t, w.do("GetPolicy", ofPolicy), "Policy"); got != doc {
		t.Errorf("the policy is %s", got)
	}
	w.refused("PutPolicy", members{"ResourceArn": arn, "Policy": "{}"}, "InvalidPolicyException", "")
	w.refused("PutPolicy", members{"ResourceArn": arn, "Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`},
		"LockoutPreventedException", "")
	w.do("DeletePolicy", ofPolicy)
	w.refused("DeletePolicy", ofPolicy, "ResourceNotFoundException", "")
}

// TestRequests has certificate requests that no template lets through.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	root := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Root"})
	w.activate(root, root, "SHA256WITHECDSA", "RootCACertificate")
	good := csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web.example.com"}, DNSNames: []string{"web.example.com"}})
	block, _ := pem.Decode(good)
	block.Bytes[len(block.Bytes)-1] ^= 1
	issue := func(csr []byte, more ...any) members {
		return arnWith(root, append([]any{"Csr", csr, "SigningAlgorithm", "SHA256WITHECDSA", "Validity", days(30)}, more...)...)
	}
	w.refused("IssueCertificate", issue(pem.EncodeToMemory(block)), "MalformedCSRException", "")
	w.refused("IssueCertificate", issue(slices.Concat(good, good)), "MalformedCSRException", "more than one")
	w.refused("IssueCertificate", issue(good, "Validity", members{"Type": "YEARS", "Value": 6}), "InvalidArgsException", "")
	w.refused("IssueCertificate", issue(good, "Validity", members{"Type": "ABSOLUTE", "Value": 1}), "InvalidArgsException", "")
	w.refused("IssueCertificate", issue(good, "TemplateArn", template("RootCACertificate")), "InvalidArgsException", "")
	w.refused("IssueCertificate", issue(good, "TemplateArn", template("BlankEndEntityCertificate_APIPassthrough"),
		"ApiPassthrough", members{"Extensions": members{"KeyUsage": members{"KeyCertSign": true}}}), "InvalidArgsException", "")
	w.refused("IssueCertificate", issue(csrOf(t, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "nul\x00.example.com"}, URIs: []*url.URL{{Scheme: "https", Host: "x.example.com"}},
	})), "MalformedCSRException", "")
	w.refused("ImportCertificateAuthorityCertificate", arnWith(root, "Certificate", base64.StdEncoding.EncodeToString([]byte(
		"-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----\n"))), "MalformedCertificateException", "")

	// A common name alone is taken, as AWS takes it.
	_, bare, _ := w.issue(root, csrOf(t, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "server.example.com"}}))
	if bare.Subject.CommonName != "server.example.com" || len(bare.DNSNames) != 0 {
		t.Errorf("%s, %v", bare.Subject, bare.DNSNames)
	}

	short := w.create("ROOT", "EC_prime256v1", "SHA256WITHECDSA", members{"CommonName": "Short"}, "UsageMode", "SHORT_LIVED_CERTIFICATE")
	w.activate(short, short, "SHA256WITHECDSA", "RootCACertificate")
	w.issue(short, good, "Validity", days(7))
	w.refused("IssueCertificate", arnWith(short, "Csr", good, "SigningAlgorithm", "SHA256WITHECDSA", "Validity", days(8)), "InvalidArgsException", "")
}
