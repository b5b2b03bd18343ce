package server

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/status"
)

// Offline is a data directory that this process alone works on: with its
// store, its audit log and its keys, and without any listener, without front
// ends, and without what the clock does in a server. Key ceremonies use it.
type Offline struct {
	Keys        *kms.Service
	Authorities *ca.Service
	Status      *status.Service

	instance *instance
	log      *audit.Log
}

// OpenOffline opens a data directory, or makes its store and audit log.
func OpenOffline(ctx context.Context, c config.Config, root *seal.Root) (*Offline, error) {
	i, err := openCore(ctx, &c, root, false, gauges.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	log, _ := i.audit.(*audit.Log) // what is not ephemeral has one
	return &Offline{Keys: i.keys, Authorities: i.ca, Status: i.status, instance: i, log: log}, nil
}

// ForgetLists drops the revocation lists of a data directory that nobody has
// open, so that they are made anew when they are asked for.
func ForgetLists(c *config.Config) error { return os.RemoveAll(filepath.Join(c.Data, crlDir)) }

// Call returns the envelope of what the realm itself does.
func (o *Offline) Call(operation string) *key.Call {
	call := startCall(key.DefaultRealm, operation)
	call.Caller.Principal = key.Principal{Realm: key.DefaultRealm, Kind: key.Root}
	call.Region = o.instance.region
	return call
}

// AuditKey returns the key that signs the audit log's checkpoints.
func (o *Offline) AuditKey() ed25519.PrivateKey { return o.instance.signer }

// Installation returns the id of the data directory, which is also its audit
// log's.
func (o *Offline) Installation() string { return o.log.ID() }

// Close lets go of the data directory and returns the checkpoint with which
// its audit log ends.
func (o *Offline) Close() (audit.Checkpoint, error) {
	err := o.instance.close()
	return o.log.Checkpoint(), err
}

// offline opens a data directory for one act.
func offline[T any](ctx context.Context, c *config.Config, root *seal.Root, act func(*instance) (T, error)) (_ T, err error) {
	i, err := openCore(ctx, c, root, false, gauges.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		var none T
		return none, err
	}
	defer func() { err = errors.Join(err, i.close()) }()
	return act(i)
}
