package audit

import (
	"crypto"
	"crypto/ed25519"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Options are how a log is written.
type Options struct {
	// Signer signs the checkpoints: an Ed25519 key of the installation. It is
	// required.
	Signer crypto.Signer
	// ID names the log in every segment and checkpoint. A log that has
	// another id is refused. Empty: a new log gets a random UUID.
	ID string
	// SegmentSize is the size of a full-grown segment in bytes. Default 64 MiB.
	SegmentSize int64
	// CheckpointEvery is how many records may stand between two checkpoints.
	// Default 1000.
	CheckpointEvery int
	// CheckpointInterval is how long a record stays without a checkpoint.
	// Default 5 s.
	CheckpointInterval time.Duration
	// RetryInterval is how often a log on a full disk looks for space.
	// Default 1 s.
	RetryInterval time.Duration
	// OnCheckpoint, if set, is called with each new checkpoint. It must not
	// block and must not call the log. What keeps checkpoints out of reach of
	// whoever can write the log makes cutting the log's end detectable.
	OnCheckpoint func(Checkpoint)
	// OnCommit, if set, is told of each group of entries that was written and
	// synced, and how long that took; err is why it was not. It must not block and
	// must not call the log.
	OnCommit func(took time.Duration, err error)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.Signer == nil {
		return o, fault.New(fault.InvalidArgument, "an audit log needs a key to sign its checkpoints")
	}
	if _, ok := o.Signer.Public().(ed25519.PublicKey); !ok {
		return o, fault.New(fault.InvalidArgument, "an audit log is signed with Ed25519, not with a %T", o.Signer.Public())
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.SegmentSize < MinSegmentSize || o.SegmentSize > MaxSegmentSize {
		return o, fault.New(fault.InvalidArgument, "audit segments of %d bytes: from %d to %d", o.SegmentSize, MinSegmentSize, MaxSegmentSize)
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = 1000
	}
	if o.CheckpointInterval <= 0 {
		o.CheckpointInterval = 5 * time.Second
	}
	if o.RetryInterval <= 0 {
		o.RetryInterval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
