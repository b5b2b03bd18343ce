package auditformat

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// OCSFVersion is the version of the schema that events are of.
const OCSFVersion = "1.8.0"

// ocsfClass is a class of events: API Activity or Authentication.
type ocsfClass struct {
	category     int
	categoryName string
	uid          int
	name         string
}

var (
	apiActivity    = ocsfClass{6, "Application Activity", 6003, "API Activity"}
	authentication = ocsfClass{3, "Identity & Access Management", 3002, "Authentication"}
)

// OCSF appends an event of OCSF: of the class Authentication for what begins
// a session and for calls whose caller was not proved, of the class API
// Activity for all others, with the profile cloud.
func (x *Encoder) OCSF(dst []byte, r *audit.Record) []byte {
	e, v := &r.Entry, EventOf(&r.Entry)
	class, activity, name := classify(e, &v)
	return x.object(dst, func(out *aws.Encoder) {
		out.Int("category_uid", class.category)
		out.Text("category_name", class.categoryName)
		out.Int("class_uid", class.uid)
		out.Text("class_name", class.name)
		out.Int("activity_id", activity)
		out.Text("activity_name", name)
		out.Int("type_uid", class.uid*100+activity)
		out.Text("type_name", class.name+": "+name)
		out.Int("time", int(e.Time.UnixMilli()))
		level, severity := severityOf(e)
		out.Int("severity_id", level)
		out.Text("severity", severity)
		ocsfStatus(out, e, &v)
		out.Text("message", summary(r, &v))
		x.ocsfMetadata(out, r, &v)
		ocsfCaller(out, e, &v, class)
		ocsfCall(out, e, &v, class)
		out.Object("unmapped", func() {
			out.Text("position", strconv.FormatUint(uint64(r.Position), 10))
			textUnless(out, "decision", string(e.Decision))
			textUnless(out, "why", e.Why)
			textUnless(out, "method", e.Method)
			details(out, e)
		})
	})
}

// classify returns the class of an entry's event and what was done.
func classify(e *entry.Entry, v *Event) (class ocsfClass, activity int, name string) {
	if begins(e.Action) || e.Result == fault.Unauthenticated.String() {
		return authentication, 1, "Logon"
	}
	for _, a := range []struct {
		id    int
		name  string
		verbs []string
	}{
		{1, "Create", []string{"Create", "Generate", "Issue", "Import", "Request", "Register", "Enroll", "Initialize", "Adopt", "Restore", "Copy"}},
		{4, "Delete", []string{"Delete", "Remove", "Revoke", "ScheduleKeyDeletion", "Forget", "Untag", "Retire", "Deactivate"}},
	} {
		for _, verb := range a.verbs {
			if strings.HasPrefix(v.Name, verb) {
				return apiActivity, a.id, a.name
			}
		}
	}
	if v.ReadOnly {
		return apiActivity, 2, "Read"
	}
	return apiActivity, 3, "Update"
}

// begins reports whether an action begins a session.
func begins(a key.Action) bool {
	return a == key.CreateSession || a == key.AssumeRole || a == key.AssumeRoleWithWebIdentity
}

// severityOf returns how much an entry matters by itself: refusals more than
// successes, and our own failures more than callers' mistakes.
func severityOf(e *entry.Entry) (level int, name string) {
	if e.Result == succeeded {
		return 1, "Informational"
	}
	switch kindOf(e.Result) { //nolint:exhaustive // all others are callers' mistakes
	case fault.PermissionDenied, fault.Unauthenticated:
		return 3, "Medium"
	case fault.Internal, fault.Unavailable:
		return 4, "High"
	}
	return 2, "Low"
}

func ocsfStatus(out *aws.Encoder, e *entry.Entry, v *Event) {
	if e.Result == succeeded {
		out.Int("status_id", 1)
		out.Text("status", "Success")
		return
	}
	out.Int("status_id", 2)
	out.Text("status", "Failure")
	out.Text("status_code", errorCode(kindOf(e.Result), serviceOf(e)))
	textUnless(out, "status_detail", errorText(e, v))
}

func (x *Encoder) ocsfMetadata(out *aws.Encoder, r *audit.Record, v *Event) {
	e := &r.Entry
	out.Object("metadata", func() {
		out.Text("version", OCSFVersion)
		out.Array("profiles", func() { out.Text("", "cloud") })
		out.Object("product", func() {
			out.Text("name", "Holdfast")
			out.Text("vendor_name", "Holdfast")
			textUnless(out, "version", x.version)
		})
		out.Text("uid", EventID(x.log, r.Position).String())
		out.Text("event_code", v.Name)
		out.Text("log_name", "audit")
		textUnless(out, "log_source", x.log)
		out.Text("original_time", e.Time.UTC().Format(time.RFC3339Nano))
		textUnless(out, "correlation_uid", e.RequestID)
		textUnless(out, "tenant_uid", v.Account)
	})
}

// ocsfCaller adds who called, and from where.
func ocsfCaller(out *aws.Encoder, e *entry.Entry, v *Event, class ocsfClass) {
	out.Object("actor", func() {
		if s := v.service(); s != "" {
			out.Text("invoked_by", s)
		}
		ocsfUser(out, e, v)
		out.Object("session", func() {
			textUnless(out, "credential_uid", e.Credential)
			out.Bool("is_mfa", e.MFA)
			if v.principal.Kind == key.Session {
				out.Text("issuer", aws.PrincipalARN(roleOf(v.principal)))
			}
		})
	})
	if class == authentication {
		ocsfUser(out, e, v)
		out.Object("service", func() { out.Text("name", v.Source) })
		out.Bool("is_mfa", e.MFA)
		out.Bool("is_remote", e.Source != "")
	}
	out.Object("src_endpoint", func() {
		if e.Source != "" {
			out.Text("ip", e.Source)
		} else {
			out.Text("svc_name", cmp.Or(v.service(), ours))
		}
	})
	if e.UserAgent != "" {
		out.Object("http_request", func() { out.Text("user_agent", e.UserAgent) })
	}
}

// ocsfUser adds who called as a user. The kinds of users are 1 a user, 2 an
// administrator, 4 a service, 99 another; the names are the schema's.
func ocsfUser(out *aws.Encoder, e *entry.Entry, v *Event) {
	out.Object("user", func() {
		kind, name := 0, "Unknown"
		switch v.principal.Kind {
		case key.User:
			kind, name = 1, "User"
		case key.Root:
			kind, name = 2, "Admin"
		case key.Service:
			kind, name = 4, "Service"
		case key.Role, key.Session:
			kind, name = 99, "AssumedRole"
		case key.Federated:
			kind, name = 99, "WebIdentityUser"
		case key.Anonymous:
		}
		out.Text("name", cmp.Or(v.Username, "unknown"))
		out.Int("type_id", kind)
		out.Text("type", name)
		if v.principal.Kind != "" {
			out.Text("uid", v.PrincipalARN())
		}
		textUnless(out, "credential_uid", e.Credential)
		if v.Account != "" {
			ocsfAccount(out, v)
		}
	})
}

func ocsfAccount(out *aws.Encoder, v *Event) {
	out.Object("account", func() {
		out.Text("uid", v.Account)
		out.Int("type_id", 99)
		out.Text("type", "Realm")
	})
}

// ocsfCall adds what was called, and what it was about.
func ocsfCall(out *aws.Encoder, e *entry.Entry, v *Event, class ocsfClass) {
	out.Object("api", func() {
		out.Text("operation", v.Name)
		out.Object("service", func() { out.Text("name", v.Source) })
		if e.RequestID != "" {
			out.Object("request", func() { out.Text("uid", e.RequestID) })
		}
		if e.Result != succeeded {
			out.Object("response", func() {
				out.Text("error", errorCode(kindOf(e.Result), serviceOf(e)))
				textUnless(out, "error_message", errorText(e, v))
			})
		}
	})
	out.Object("cloud", func() {
		out.Text("provider", "Holdfast")
		out.Text("region", v.Region)
		if v.Account != "" {
			ocsfAccount(out, v)
		}
	})
	if v.ResourceName == "" || class == authentication {
		return
	}
	out.Array("resources", func() {
		out.Object("", func() {
			out.Text("uid", v.ResourceName)
			out.Text("name", v.resource.ID)
			out.Text("type", v.ResourceType)
			textUnless(out, "region", v.resource.Region)
		})
	})
}
