package cloudtrail

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/trail"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (f *front) startLogging(ctx context.Context, x *aws.Exchange, in *namedRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	return f.trails.Start(ctx, &x.Call, ref)
}

func (f *front) stopLogging(ctx context.Context, x *aws.Exchange, in *namedRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	return f.trails.Stop(ctx, &x.Call, ref)
}

func (f *front) getTrailStatus(ctx context.Context, x *aws.Exchange, in *namedRequest) error {
	ref, err := refOf(x, in.name)
	if err != nil {
		return err
	}
	t, err := f.trails.Get(ctx, &x.Call, key.GetTrailStatus, ref)
	if err != nil {
		return err
	}
	writeStatus(&x.Out, t)
	return nil
}

func writeStatus(out *wire.Encoder, t *trail.Trail) {
	out.Bool("IsLogging", t.Logging)
	if t.Failure != "" {
		out.Text("LatestDeliveryError", t.Failure)
	}
	for _, at := range []struct {
		name string
		time time.Time
	}{
		{"LatestDeliveryTime", t.DeliveredAt},
		{"StartLoggingTime", t.StartedAt},
		{"StopLoggingTime", t.StoppedAt},
	} {
		if !at.time.IsZero() {
			out.Time(at.name, at.time)
		}
	}
	// The older members of the API are texts.
	for _, at := range []struct {
		name string
		time time.Time
	}{
		{"LatestDeliveryAttemptTime", t.AttemptedAt},
		{"LatestDeliveryAttemptSucceeded", t.DeliveredAt},
		{"TimeLoggingStarted", t.StartedAt},
		{"TimeLoggingStopped", t.StoppedAt},
	} {
		text := ""
		if !at.time.IsZero() {
			text = at.time.UTC().Format(time.RFC3339)
		}
		out.Text(at.name, text)
	}
	out.Text("LatestNotificationAttemptTime", "")
	out.Text("LatestNotificationAttemptSucceeded", "")
}
