package server

import (
	"context"
	"crypto/fips140"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/compliance/survey"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/keypolicy"
)

// openSurvey opens what checks how keys and certificates are kept.
func (i *instance) openSurvey(c *config.Config, ephemeral bool) {
	i.survey = survey.New(survey.Config{
		Keys: i.keys, Authorities: i.ca, Inventory: i.inventory, Holders: i.directory, Log: i.entries, Guard: i.guard,
		Statements: func(d key.Document) ([]compliance.Statement, error) {
			if d.Dialect != aws.Dialect {
				return nil, fault.New(fault.Unsupported, "policies of dialect %q are not known", d.Dialect)
			}
			return keypolicy.Statements(d.Text)
		},
		Words: func(s alg.Spec, u alg.Usage) (string, string) { return aws.SpecName(s), aws.UsageName(u) },
		Installation: func(ctx context.Context, call *key.Call, facts *compliance.Installation) error {
			i.auditFacts(ctx, call, facts, &c.Audit, ephemeral)
			facts.FIPS = compliance.Known(compliance.FIPS{Module: fips140.Version(), Enabled: fips140.Enabled(), Enforced: fips140.Enforced()})
			i.deviceFacts(facts)
			facts.Root = rootFacts(c.Data, ephemeral)
			return nil
		},
	})
}

// auditFacts tells how the audit log is kept: every use is in it before its
// result leaves.
func (i *instance) auditFacts(ctx context.Context, call *key.Call, facts *compliance.Installation, c *config.Audit, ephemeral bool) {
	if ephemeral {
		facts.Logging = compliance.Known(compliance.Log{Where: "the audit log is in memory, and lost when the server stops"})
		facts.Retention = compliance.Unknown[compliance.Retention]("the audit log is in memory")
	} else {
		facts.Logging = compliance.Known(compliance.Log{On: true, Where: "the audit log"})
		facts.Retention = compliance.Known(retentionOf(c.Retention))
	}
	trails, err := i.trails.Describe(ctx, call, nil, true)
	if err != nil {
		facts.Copies = compliance.Unknown[int]("the caller may not describe trails")
		return
	}
	n := len(c.Sinks)
	for _, t := range trails {
		if t.Logging && t.Failure == "" {
			n++
		}
	}
	facts.Copies = compliance.Known(n)
}

// retentionOf returns for how many whole days the log is kept, 0 for ever.
func retentionOf(age config.Age) compliance.Retention {
	if age == config.Forever {
		return compliance.Retention{}
	}
	return compliance.Retention{Days: int(time.Duration(age) / (24 * time.Hour))}
}

// deviceFacts tells of the places of keys beside the process.
func (i *instance) deviceFacts(facts *compliance.Installation) {
	for _, h := range i.hsms.Health() {
		facts.Devices = append(facts.Devices, compliance.Device{
			Name: h.Name, Mode: compliance.Unknown[string]("PKCS #11 cannot be asked for the mode: the maker's tool tells it"),
		})
	}
	for _, h := range i.providers.Health() {
		facts.Devices = append(facts.Devices, compliance.Device{
			Name: h.Name, Mode: compliance.Unknown[string]("a key service does not tell the mode: its operator's certificate does"),
		})
	}
}

// rootFacts tells how the root key is kept.
func rootFacts(dir string, ephemeral bool) compliance.Fact[compliance.Root] {
	if ephemeral {
		return compliance.Unknown[compliance.Root]("the root key is in memory")
	}
	status, err := seal.Inspect(dir)
	if err != nil {
		return compliance.Unknown[compliance.Root]("the seal cannot be read")
	}
	var root compliance.Root
	for _, w := range status.Ways {
		root.Ways = append(root.Ways, string(w.Method))
		root.Plain = root.Plain || w.Method == seal.InFile
	}
	return compliance.Known(root)
}
