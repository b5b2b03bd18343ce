// Package deployments serves what agents report over the native API.
package deployments

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/deployment"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ deployments *deployment.Service }

// Operations returns the operations on deployments.
func Operations(d *deployment.Service) []native.Operation {
	f := &front{d}
	return []native.Operation{
		native.Post("/deployments", "ReportDeployment", key.ReportDeployment, native.Handle(f.report)),
		native.Get("/deployments", "ListDeployments", key.ListDeployments, native.Handle(f.list)).Takes(native.Paged("host", "managed", "outcome")...),
	}
}

func (f *front) report(ctx context.Context, r *native.Request, req *wire.DeploymentReport) (*wire.None, error) {
	return native.Nothing(f.deployments.Report(ctx, r.Call, &deployment.Report{
		Host: req.Host, Name: req.Name, Managed: req.Managed, Serial: req.Serial, SHA256: req.SHA256, Serving: req.Serving,
		Subject: req.Subject, NotAfter: req.NotAfter, Outcome: deployment.Outcome(req.Outcome), Failure: req.Failure,
		Places: req.Places, Check: req.Check, At: req.At,
	}))
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.DeploymentList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	filter := deployment.Filter{Host: r.Param("host"), Managed: r.Param("managed"), Outcome: deployment.Outcome(r.Param("outcome"))}
	all, next, err := f.deployments.List(ctx, r.Call, filter, page)
	if err != nil {
		return nil, err
	}
	list := &wire.DeploymentList{Deployments: make([]wire.Deployment, len(all)), Next: next}
	for i, d := range all {
		list.Deployments[i] = wire.Deployment{
			DeploymentReport: wire.DeploymentReport{
				Host: d.Host, Name: d.Name, Managed: d.Managed, Serial: d.Serial, SHA256: d.SHA256, Serving: d.Serving,
				Subject: d.Subject, NotAfter: d.NotAfter, Outcome: string(d.Outcome), Failure: d.Failure,
				Places: d.Places, Check: d.Check, At: d.At,
			},
			Reporter: d.Reporter, ReportedAt: d.ReportedAt,
		}
	}
	return list, nil
}
