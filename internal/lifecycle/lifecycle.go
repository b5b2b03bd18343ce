// Package lifecycle does what the clock has to do, with nobody asking:
// rotating keys, destroying those whose waiting period is over, renewing
// CRLs. What is due is stored with the thing itself, so that a restart
// forgets nothing; this package only looks often enough.
package lifecycle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Task is a part of Holdfast that has things due.
type Task struct {
	Name string
	// Tick does what is due, a bounded amount of it; more says that there is
	// more to do at once.
	Tick func(ctx context.Context) (more bool, err error)
}

// Runner runs tasks at an interval until it is stopped.
type Runner struct {
	tasks    []Task
	interval time.Duration
	log      *slog.Logger

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Start runs each task at once and then at every interval, each in a
// goroutine of its own. A task that fails is logged and tried again.
func Start(interval time.Duration, log *slog.Logger, tasks ...Task) *Runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{tasks: tasks, interval: interval, log: log, cancel: cancel}
	for _, t := range tasks {
		r.done.Go(func() { r.run(ctx, t) })
	}
	return r
}

// Stop ends the runner and waits for the tasks that are running.
func (r *Runner) Stop() {
	r.cancel()
	r.done.Wait()
}

func (r *Runner) run(ctx context.Context, t Task) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		r.drain(ctx, t)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// drain ticks until nothing more is due.
func (r *Runner) drain(ctx context.Context, t Task) {
	for ctx.Err() == nil {
		more, err := t.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "a task of the clock failed and will be tried again",
				slog.String("task", t.Name), slog.Any("cause", err))
		}
		if !more || err != nil {
			return
		}
	}
}
