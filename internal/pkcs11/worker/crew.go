//go:build linux

package worker

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

const (
	// alert is how long a thread looks for the next call before it sleeps, when
	// no other thread has one.
	alert = 20 * time.Microsecond
	// goodNeighbour is after how many calls a thread passes through Go's
	// scheduler. To that, a goroutine that only runs system calls and C hogs a
	// processor, and after 10 ms of it is interrupted with signals every 20 µs:
	// with eight callers a fifth of the speed goes there.
	goodNeighbour = 16
)

// crew is the worker's threads, one for each place that has been used.
type crew struct {
	module pkcs11.Module
	m      *memory
	spin   bool         // there is a processor to spare for waiting
	busy   atomic.Int32 // calls that run
}

// hire starts a thread for each place when it is first used.
func (c *crew) hire() {
	for n := 0; ; {
		hiring := c.m.hiring.Load()
		want := int(min(hiring, maxCalls))
		if want <= n {
			sleep(c.m.hiring, hiring)
			continue
		}
		// A thread that comes back from the library needs one of Go's
		// processors: with some to spare, nobody waits and none is taken away.
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), want+2))
		for ; n < want; n++ {
			go c.run(n)
		}
	}
}

// run is the life of a thread. It is no more tied to its goroutine than by the
// habit of Go's scheduler: PKCS #11's sessions know no threads.
func (c *crew) run(i int) {
	p := &c.m.places[i]
	for number, n := uint32(oneCall), 0; ; number, n = number+oneCall, n+1 {
		if n%goodNeighbour == 0 {
			runtime.Gosched()
		}
		c.wait(p, number)
		c.busy.Add(1)
		c.serve(p)
		c.busy.Add(-1)
		c.m.answer(i, number)
	}
}

// wait waits for a call of that number.
func (c *crew) wait(p *place, number uint32) {
	come := func() bool { return p.asked(number) }
	if c.spin && c.busy.Load() == 0 && look(come, alert) {
		return
	}
	for !come() {
		p.asleep.Store(1)
		if s := p.state.Load(); s != number|asked && s != number|watched {
			sleep(p.state, s)
		}
		p.asleep.Store(0)
	}
}

// serve runs the call in a place and puts its result there.
func (c *crew) serve(p *place) {
	result, err := run(c.module, p)
	b, k := p.room(), kindResult
	if err != nil {
		b, k = appendError(b, err)
	} else {
		b = pkcs11.AppendResult(b, result)
		erase(result)
	}
	if len(b) > pkcs11.MaxMessage {
		clear(b)
		b, k = appendError(p.room(), fmt.Errorf("the result is larger than %d bytes", pkcs11.MaxMessage))
	}
	p.put(b, k)
}

func run(module pkcs11.Module, p *place) (*pkcs11.Result, error) {
	message, k, err := p.get()
	if err != nil || k != kindCall {
		return nil, errMessage
	}
	defer p.erase(message)
	c, err := pkcs11.ParseCall(message)
	if err != nil {
		return nil, err
	}
	return module.Call(context.Background(), c)
}

// erase overwrites what may be secret in a result.
func erase(r *pkcs11.Result) {
	clear(r.Data)
	for _, a := range r.Attributes {
		clear(a.Value)
	}
}
