package native

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *Front) version(context.Context, *request, *wire.None) (*wire.ServerVersion, error) {
	return &f.Version, nil
}

func (f *Front) audit(ctx context.Context, r *request, _ *wire.None) (*wire.AuditList, error) {
	filter, err := auditFilter(r)
	if err != nil {
		return nil, err
	}
	return f.Audit.Audit(ctx, r.call, filter)
}

// auditFilter reads the parameters of a search in the audit log.
func auditFilter(r *request) (f wire.AuditFilter, err error) {
	page, err := r.page()
	if err != nil {
		return f, err
	}
	f = wire.AuditFilter{
		Limit: page.Limit, Action: r.param("action"), Principal: r.param("principal"), Resource: r.param("resource"),
		Result: r.param("result"), RequestID: r.param("request_id"),
	}
	if page.After != "" {
		if f.After, err = strconv.ParseUint(page.After, 10, 64); err != nil {
			return f, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the parameter %q must be a position", "after")
		}
	}
	if f.Last, err = r.number("last", 0, maxLimit); err != nil {
		return f, err
	}
	if f.Last > 0 && page.After != "" {
		return f, fault.New(fault.InvalidArgument, "the parameters %q and %q exclude each other", "after", "last")
	}
	if f.Since, err = r.moment("since"); err != nil {
		return f, err
	}
	f.Until, err = r.moment("until")
	return f, err
}
