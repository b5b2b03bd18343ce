package audit

import (
	"errors"
	"runtime"
	"time"

	"github.com/holdfast-kms/holdfast/internal/disk"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// run is the goroutine that writes.
func (l *Log) run() {
	defer close(l.done)
	timer := time.NewTicker(l.o.CheckpointInterval)
	defer timer.Stop()
	var retry <-chan time.Time // while the disk is full
	for {
		var err error
		select {
		case <-l.wake:
			runtime.Gosched() // lets those who are ready join the batch
			err = l.commit()
		case <-timer.C:
			err = l.sign()
		case <-retry:
			retry = nil
			err = l.revive()
		case <-l.stop:
			l.ended = l.finish()
			return
		}
		if err != nil && disk.Full(err) {
			retry = time.After(l.o.RetryInterval)
		}
	}
}

// commit writes what waits.
func (l *Log) commit() error {
	l.mu.Lock()
	b := l.waiting
	if idle := b.first == 0 || l.failed != nil; idle {
		l.mu.Unlock()
		return nil
	}
	l.flying, l.waiting = b, l.newBatch()
	l.mu.Unlock()

	began := time.Now()
	err := l.w.commit(b.frames)
	if l.o.OnCommit != nil {
		l.o.OnCommit(time.Since(began), err)
	}
	if err != nil {
		l.fail(err)
		return err
	}
	l.mu.Lock()
	l.flying, l.signed = nil, l.w.last
	if cap(b.frames) <= 4<<20 {
		l.spare = b.frames
	}
	l.mu.Unlock()
	close(b.done)
	return nil
}

// sign writes the checkpoint that is due by the clock.
func (l *Log) sign() error {
	l.mu.Lock()
	idle := l.failed != nil || l.w.unsigned == 0
	l.mu.Unlock()
	if idle {
		return nil
	}
	if err := l.w.checkpoint(false); err != nil {
		l.fail(err)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signed = l.w.last
	return nil
}

// fail refuses everything that waits and everything to come.
func (l *Log) fail(err error) {
	cause := &fault.Error{Kind: fault.Unavailable, Op: "audit", Public: "the audit log cannot be written", Err: err}
	l.mu.Lock()
	l.failed = cause
	if l.last > l.w.position {
		l.refused = append(l.refused, span{l.w.position + 1, l.last})
		l.holed.Store(true)
	}
	over := []*batch{l.waiting}
	if l.flying != nil {
		over = append(over, l.flying)
	}
	l.flying, l.waiting = nil, l.newBatch()
	l.mu.Unlock()
	for _, b := range over {
		b.err = cause
		close(b.done)
	}
}

// revive takes entries again if there is space. While the log has failed no
// position is given out, so the gap is as fail left it.
func (l *Log) revive() error {
	l.mu.Lock()
	failed, last := l.failed, l.last
	l.mu.Unlock()
	if err := l.w.recover(last, failed.Err); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.signed = nil, l.w.last
	return nil
}

// finish writes what waits and lets go of everything.
func (l *Log) finish() error {
	err := l.commit()
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	if failed != nil {
		err = failed
	}
	err = errors.Join(err, l.w.close(failed == nil), l.lock.Close())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signed = l.w.last
	return err
}
