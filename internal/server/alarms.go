package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	awscloudwatch "github.com/holdfast-kms/holdfast/internal/front/aws/cloudwatch"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// maxEnds is how many certificates are looked at at most, of which metric has
// its own bound, endsPage in one look at the store.
const (
	maxEnds  = 10_000
	endsPage = 500
)

// openAlarms opens the figures, which i.meter has been counting, and the
// alarms over them, which publish on the topics.
func (i *instance) openAlarms(log *slog.Logger) {
	i.figures = metric.New(metric.Config{Meter: i.meter, Guard: i.guard, Store: i.store, Log: log, Gauges: []metric.Gauge{
		{Kind: metric.Material, Every: time.Minute, Read: i.materials},
		{Kind: metric.Expiry, Every: time.Hour, Read: i.ends},
	}})
	i.closers = append(i.closers, func() error { return i.figures.Close(context.Background()) })
	i.alarms = alarm.New(alarm.Config{
		Guard: i.guard, Store: i.store, Figures: i.figures, Publisher: i.topics, Style: awscloudwatch.Style{},
		Principal: awscloudwatch.Principal, Log: log,
	})
}

// alarmInterval is how often alarms are judged at least.
const alarmInterval = 10 * time.Second

// startAlarms starts the clock of the alarms, which is quicker than that of
// what has time.
func (i *instance) startAlarms(interval time.Duration, log *slog.Logger) *lifecycle.Runner {
	clock := lifecycle.Start(min(interval, alarmInterval), log,
		lifecycle.Task{Name: "figures", Tick: i.figures.Tick}, lifecycle.Task{Name: "alarms", Tick: i.alarms.Tick})
	i.closers = append(i.closers, func() error { clock.Stop(); return nil })
	return clock
}

// materials reads for how long imported key material is still there.
func (i *instance) materials(_ context.Context, now time.Time) (list []metric.Reading, _ error) {
	i.keys.Expiring(func(name key.Name, at time.Time) bool {
		list = append(list, metric.Reading{
			Realm: name.Realm, Region: name.Region, ID: string(name.ID), Value: max(at.Sub(now), 0).Truncate(time.Second).Seconds(),
		})
		return true
	})
	return list, nil
}

// ends reads for how many whole days managed certificates are still valid.
func (i *instance) ends(ctx context.Context, now time.Time) (list []metric.Reading, _ error) {
	for after := ""; ; {
		page, last, err := i.managed.Walk(ctx, after, endsPage)
		if err != nil {
			return list, err
		}
		for _, c := range page {
			if left := c.NotAfter.Sub(now); c.DER != nil && left > 0 {
				list = append(list, metric.Reading{Realm: c.Realm, Region: c.Region, ID: c.ID, Value: float64(left / (24 * time.Hour))})
			}
		}
		if after = last; after == "" || len(list) > maxEnds {
			return list, nil
		}
	}
}
