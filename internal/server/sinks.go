package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/retention"
	"github.com/holdfast-kms/holdfast/internal/server/sinks"
	"github.com/holdfast-kms/holdfast/internal/sink"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// openSinks opens the sinks of the audit log, which deliver from now on, and
// its retention.
func (i *instance) openSinks(ctx context.Context, c *config.Config, log *slog.Logger) (err error) {
	kept, durable := i.audit.(*audit.Log)
	if !durable {
		if len(c.Audit.Sinks) > 0 {
			return fault.New(fault.InvalidArgument, "audit.sinks: a server that keeps nothing has no audit log to send")
		}
		i.sinks, i.retention = new(sink.Sinks), retention.New(retention.Config{Guard: i.guard, Store: i.store})
		return nil
	}
	i.sinks, err = sinks.Open(ctx, c, sinks.Parts{
		Log: kept, ID: i.log, Version: Version().Version, Store: i.store, Out: log, Roots: rootsIn,
		Bucket: func(b *config.Buckets) (sink.Bucket, error) { return openBucketsOf(b) },
	})
	if err != nil {
		return err
	}
	age := c.Audit.Retention
	if age < config.UsualRetention {
		log.WarnContext(ctx, "the audit log is removed when it is YOUNGER THAN A YEAR, as the configuration says: most rules ask for twelve months",
			slog.String("retention", age.String()))
	}
	if age == config.Forever {
		age = 0
	}
	i.retention = retention.New(retention.Config{
		Log: kept, Guard: i.guard, Store: i.store, Age: time.Duration(age), Delivered: i.sinks.Delivered,
	})
	i.closers = append(i.closers, i.sinks.Close)
	return nil
}

// Sinks tells where the audit log goes, and how far (native.Audit).
func (i *instance) Sinks(ctx context.Context, call *key.Call) (*native.AuditSinkList, error) {
	return sinks.List(ctx, i.guard, call, i.sinks)
}

// sinks returns how the sinks of the audit log are, for the figures.
func (s *server) sinks() []sink.Health {
	if i := s.instance.Load(); i != nil {
		return i.sinks.Health()
	}
	return nil
}
