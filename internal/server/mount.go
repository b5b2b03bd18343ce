package server

import (
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/config"
	awsfront "github.com/holdfast-kms/holdfast/internal/front/aws"
	awsacm "github.com/holdfast-kms/holdfast/internal/front/aws/acm"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	awspca "github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	awssts "github.com/holdfast-kms/holdfast/internal/front/aws/sts"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/front/pki"
)

// mount returns the handler of all front ends: each line is one API.
func (i *instance) mount(c *config.Config, m *metrics) http.Handler {
	mounts := []struct {
		prefix  string
		handler http.Handler
	}{
		{"/holdfast/", native.New(native.Config{
			Keys: i.keys, Directory: i.directory, Identities: i.admin, Authorities: i.ca, Status: i.status,
			Inventory: i.inventory, Managed: i.managed, Audit: i,
			Version: Version(), Region: c.Region, Observe: m.observe,
		})},
		{"/pki/", pki.New(pki.Config{Status: i.status, Observe: m.observe})},
		{"/", awsfront.New(awsfront.Config{
			Services: []awsfront.Service{
				awskms.New(i.keys), awspca.New(i.ca, i.inventory), awsacm.New(i.managed), awssts.New(i.admin),
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
