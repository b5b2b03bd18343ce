package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	awsfront "github.com/holdfast-kms/holdfast/internal/front/aws"
	awsacm "github.com/holdfast-kms/holdfast/internal/front/aws/acm"
	awscloudhsm "github.com/holdfast-kms/holdfast/internal/front/aws/cloudhsm"
	awscloudtrail "github.com/holdfast-kms/holdfast/internal/front/aws/cloudtrail"
	awscloudwatch "github.com/holdfast-kms/holdfast/internal/front/aws/cloudwatch"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	awslambda "github.com/holdfast-kms/holdfast/internal/front/aws/lambda"
	awspca "github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	awssecrets "github.com/holdfast-kms/holdfast/internal/front/aws/secretsmanager"
	awssns "github.com/holdfast-kms/holdfast/internal/front/aws/sns"
	awssts "github.com/holdfast-kms/holdfast/internal/front/aws/sts"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	nativealarms "github.com/holdfast-kms/holdfast/internal/front/native/alarms"
	nativeapprovals "github.com/holdfast-kms/holdfast/internal/front/native/approvals"
	nativeaudit "github.com/holdfast-kms/holdfast/internal/front/native/auditlog"
	nativeauthorities "github.com/holdfast-kms/holdfast/internal/front/native/authorities"
	nativeclientcerts "github.com/holdfast-kms/holdfast/internal/front/native/clientcerts"
	nativedeployments "github.com/holdfast-kms/holdfast/internal/front/native/deployments"
	nativeinventory "github.com/holdfast-kms/holdfast/internal/front/native/inventory"
	nativekeys "github.com/holdfast-kms/holdfast/internal/front/native/keys"
	nativemanaged "github.com/holdfast-kms/holdfast/internal/front/native/managed"
	nativenotices "github.com/holdfast-kms/holdfast/internal/front/native/notices"
	nativeproviders "github.com/holdfast-kms/holdfast/internal/front/native/providers"
	nativeroles "github.com/holdfast-kms/holdfast/internal/front/native/roles"
	nativerotations "github.com/holdfast-kms/holdfast/internal/front/native/rotations"
	nativesecrets "github.com/holdfast-kms/holdfast/internal/front/native/secrets"
	nativetokens "github.com/holdfast-kms/holdfast/internal/front/native/tokens"
	nativetopics "github.com/holdfast-kms/holdfast/internal/front/native/topics"
	nativeusers "github.com/holdfast-kms/holdfast/internal/front/native/users"
	"github.com/holdfast-kms/holdfast/internal/front/pki"
	"github.com/holdfast-kms/holdfast/internal/server/providers"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
)

// mount returns the handler of all front ends: each line is one API.
func (i *instance) mount(c *config.Config, m *metrics) http.Handler {
	mounts := []struct {
		prefix  string
		handler http.Handler
	}{
		{"/holdfast/", native.New(native.Config{
			Operations: slices.Concat(
				nativekeys.Operations(i.keys),
				nativeusers.Operations(i.admin),
				nativeroles.Operations(i.admin),
				nativeauthorities.Operations(i.ca, i.status, i.inventory),
				nativeinventory.Operations(i.inventory),
				nativemanaged.Operations(i.managed),
				nativedeployments.Operations(i.deployed),
				nativenotices.Operations(i.notices),
				nativealarms.Operations(i.alarms), nativerotations.Operations(i.rotation),
				nativeapprovals.Operations(i.approvals),
				nativeclientcerts.Operations(i.admin, i.ca),
				nativesecrets.Operations(i.secrets), nativetopics.Operations(i.topics),
				nativetokens.Operations(&tokens.Reader{Tokens: i.hsms, Guard: i.guard, Engine: i.engineNamed, Has: i.keys.Has}),
				nativeproviders.Operations(&providers.Reader{Of: i.providers, Guard: i.guard, Residents: i.keys.Residents}),
				nativeaudit.Operations(i, i.retention),
			),
			Directory: i.directory, Issuers: i.ca, Door: i.keys, Version: Version(), Region: c.Region, Observe: m.observe,
		})},
		{awssns.CertificatePrefix, awssns.Certificates(i.topics)},
		{"/pki/", pki.New(pki.Config{Status: i.status, Observe: m.observe})},
		{"/", awsfront.New(awsfront.Config{
			Services: []awsfront.Service{
				awskms.New(i.keys, i.keyStores), awspca.New(i.ca, i.inventory), awsacm.New(i.managed), awssts.New(i.admin),
				awscloudhsm.New(i.clusters),
				awssecrets.New(i.secrets),
				awslambda.New(i.functions),
				awscloudtrail.New(i.trails),
				awssns.New(i.topics),
				awscloudwatch.New(i.figures, i.alarms),
			},
			Directory: i.directory, Door: i.keys, Observe: m.observe,
		})},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, mounted := range mounts {
			if strings.HasPrefix(r.URL.Path, mounted.prefix) {
				mounted.handler.ServeHTTP(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}
