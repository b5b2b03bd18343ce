package year

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Incident is something that happens in the year.
type Incident struct {
	At   time.Duration // since the beginning
	Name string
	Do   func(ctx context.Context, w *World) error
}

// Refusal is an authority that issues nothing for a time: it is disabled.
func Refusal(at, lasts time.Duration) []Incident {
	set := func(state ca.State) func(ctx context.Context, w *World) error {
		return func(ctx context.Context, w *World) error {
			_, err := w.CA.UpdateAuthority(ctx, w.Admin(), Issuing, ca.Update{State: &state})
			return err
		}
	}
	return []Incident{{at, "disabling the authority", set(ca.Disabled)}, {at + lasts, "enabling the authority", set(ca.Active)}}
}

// Forbidden is a permission that is missing for a time.
func Forbidden(at, lasts time.Duration) []Incident {
	return []Incident{
		{at, "taking the permission away", func(ctx context.Context, w *World) error {
			_, err := w.CA.DeletePermission(ctx, w.Admin(), Issuing, aws.ManagedService, "")
			return err
		}},
		{at + lasts, "giving the permission back", func(ctx context.Context, w *World) error { return w.permit(ctx, Issuing) }},
	}
}

// BrokenDisk is a store that stores nothing for a time.
func BrokenDisk(at, lasts time.Duration) []Incident {
	set := func(broken bool) func(context.Context, *World) error {
		return func(_ context.Context, w *World) error {
			w.disk.broken.Store(broken)
			return nil
		}
	}
	return []Incident{{at, "breaking the disk", set(true)}, {at + lasts, "mending the disk", set(false)}}
}

// Kill ends the process in the middle of its work, after some more
// transactions.
func Kill(at time.Duration, after int) Incident {
	return Incident{at, "killing the server", func(_ context.Context, w *World) error {
		w.disk.left.Store(int64(after))
		return nil
	}}
}

// Restart closes the servers and opens them again.
func Restart(at time.Duration) Incident {
	return Incident{at, "restarting the server", func(ctx context.Context, w *World) error { return w.restart(ctx) }}
}

// NewCertificate renews the authority: the same key, another certificate.
func NewCertificate(at time.Duration) Incident {
	return Incident{at, "renewing the authority", func(ctx context.Context, w *World) error {
		_, err := w.CA.RenewAuthority(ctx, w.Admin(), Issuing, 0)
		return err
	}}
}

// NewAuthority gives the authority a new key: another one takes over from it.
func NewAuthority(at time.Duration) Incident {
	return Incident{at, "giving the authority a new key", func(ctx context.Context, w *World) error {
		_, err := w.CA.RekeyAuthority(ctx, w.Admin(), Issuing, &ca.RekeyRequest{})
		return err
	}}
}

// Away is people whom nothing reaches for a time.
func Away(at, lasts time.Duration) []Incident {
	set := func(away bool) func(context.Context, *World) error {
		return func(_ context.Context, w *World) error {
			w.people.mu.Lock()
			defer w.people.mu.Unlock()
			w.people.away = away
			return nil
		}
	}
	return []Incident{{at, "people going away", set(true)}, {at + lasts, "people coming back", set(false)}}
}
