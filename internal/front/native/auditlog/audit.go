package auditlog

import (
	"context"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) audit(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuditList, error) {
	filter, err := auditFilter(r)
	if err != nil {
		return nil, err
	}
	return f.log.Audit(ctx, r.Call, filter)
}

// auditFilter reads the parameters of a search in the audit log.
func auditFilter(r *native.Request) (f wire.AuditFilter, err error) {
	page, err := r.Page()
	if err != nil {
		return f, err
	}
	f = wire.AuditFilter{
		Limit: page.Limit, Action: r.Param("action"), Principal: r.Param("principal"), Resource: r.Param("resource"),
		Result: r.Param("result"), RequestID: r.Param("request_id"),
	}
	if page.After != "" {
		if f.After, err = strconv.ParseUint(page.After, 10, 64); err != nil {
			return f, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the parameter %q must be a position", "after")
		}
	}
	if f.Last, err = r.Number("last", 0, native.MaxLimit); err != nil {
		return f, err
	}
	if f.Last > 0 && page.After != "" {
		return f, fault.New(fault.InvalidArgument, "the parameters %q and %q exclude each other", "after", "last")
	}
	if f.Since, err = r.Moment("since"); err != nil {
		return f, err
	}
	f.Until, err = r.Moment("until")
	return f, err
}
