//go:build linux

package worker

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// channel is the parent's end of a channel. One call at a time is on it.
type channel struct {
	*pipe

	sequence uint32

	mu     sync.Mutex
	closed bool // guarded by mu: the descriptor may be another file's by now
}

func newChannelOn(fd int) *channel { return &channel{pipe: newPipe(fd)} }

// guard makes a read on the channel end when ctx does. The result stops that,
// and reports whether ctx has not ended the channel.
func (c *channel) guard(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			_ = unix.Shutdown(c.fd, unix.SHUT_RDWR) // it is connected
		}
	})
}

// leave makes the guard let go of the descriptor, which somebody else closes.
func (c *channel) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (c *channel) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.pipe.close()
	}
}

// Call implements pkcs11.Module.
func (p *Process) Call(ctx context.Context, call *pkcs11.Call) (*pkcs11.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", call.Function, context.Cause(ctx))
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %d calls run: %w", pkcs11.ErrHung, maxChannels, context.Cause(ctx))
	}
	defer func() { <-p.slots }()
	c, err := p.channel()
	if err != nil {
		return nil, err
	}
	stop := c.guard(ctx)
	result, usable, err := c.roundTrip(call)
	switch inTime := stop(); {
	case usable && inTime:
		p.keep(c)
		return result, err
	case usable: // it has answered in the last moment, but the channel is shut
		c.close()
		return result, err
	case !inTime:
		c.close()
		p.hung.Store(true)
		return nil, fmt.Errorf("%s: %w: %w", call.Function, pkcs11.ErrHung, context.Cause(ctx))
	default:
		// The process has ended, or has lost its head.
		c.close()
		p.kill()
		return nil, fmt.Errorf("%s: %w", call.Function, pkcs11.ErrGone)
	}
}

// roundTrip sends a call and waits for its answer. usable says that the answer
// is one, and that the channel can be used again.
func (c *channel) roundTrip(call *pkcs11.Call) (result *pkcs11.Result, usable bool, err error) {
	b := pkcs11.AppendCall(c.room(), call)
	if len(b)-frameHeader > pkcs11.MaxMessage {
		clear(b)
		return nil, true, fmt.Errorf("%s: more than %d bytes: %w", call.Function, pkcs11.MaxMessage, pkcs11.RVDataLenRange)
	}
	c.sequence++
	if err := c.send(b, kindCall, c.sequence); err != nil {
		return nil, false, err
	}
	body, k, sequence, err := c.receive()
	if err != nil {
		return nil, false, err
	}
	defer c.done(body)
	if sequence != c.sequence {
		return nil, false, errFrame
	}
	if k != kindResult {
		err := parseError(body, k)
		return nil, err != errFrame, err //nolint:errorlint // our own, as it is
	}
	if result, err = pkcs11.ParseResult(bytes.Clone(body)); err != nil {
		return nil, false, err
	}
	return result, true, nil
}

// channel returns an idle channel, or a new one.
func (p *Process) channel() (*channel, error) {
	p.mu.Lock()
	if p.ended != nil || p.closing.Load() {
		p.mu.Unlock()
		return nil, pkcs11.ErrGone
	}
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer unix.Close(theirs) //nolint:errcheck // the process has its own
	if err := p.tell(newChannel, unix.UnixRights(theirs)); err != nil {
		_ = unix.Close(ours)
		return nil, err
	}
	return newChannelOn(ours), nil
}

// keep puts a channel among the idle ones.
func (p *Process) keep(c *channel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		c.close()
		return
	}
	p.idle = append(p.idle, c)
}
