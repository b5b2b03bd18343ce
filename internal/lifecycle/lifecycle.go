// Package lifecycle does what the clock has to do, with nobody asking:
// rotating keys, destroying those whose waiting period is over, renewing
// CRLs. What is due is stored with the thing itself, so that a restart
// forgets nothing; this package only looks often enough.
package lifecycle

import (
	"context"
	"log/slog"
	"slices"
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

	mu     sync.Mutex // guards what follows
	status []Status   // of each task
}

// Status is how a task is doing.
type Status struct {
	Task string
	// Interval is the time between the beginnings of two runs.
	Interval time.Duration
	// Began is when the latest run began, Succeeded when one last came to its end;
	// the zero time before the first.
	Began, Succeeded time.Time
	// Runs and Failures count since the start; Took is what all of them took.
	Runs, Failures uint64
	Took           time.Duration
}

// Status returns how each task is doing.
func (r *Runner) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.status)
}

// Start runs each task at once and then at every interval, each in a
// goroutine of its own. A task that fails is logged and tried again.
func Start(interval time.Duration, log *slog.Logger, tasks ...Task) *Runner {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Runner{tasks: tasks, interval: interval, log: log, cancel: cancel, status: make([]Status, len(tasks))}
	for n, t := range tasks {
		r.status[n] = Status{Task: t.Name, Interval: interval}
		r.done.Go(func() { r.run(ctx, n) })
	}
	return r
}

// Stop ends the runner and waits for the tasks that are running.
func (r *Runner) Stop() {
	r.cancel()
	r.done.Wait()
}

func (r *Runner) run(ctx context.Context, n int) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		r.begin(n)
		r.note(n, r.drain(ctx, r.tasks[n]))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// begin notes that a run of the task n begins.
func (r *Runner) begin(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status[n].Began = time.Now()
}

// note notes that it ended.
func (r *Runner) note(n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.status[n]
	s.Runs++
	s.Took += time.Since(s.Began)
	if err != nil {
		s.Failures++
		return
	}
	s.Succeeded = time.Now()
}

// drain ticks until nothing more is due.
func (r *Runner) drain(ctx context.Context, t Task) error {
	for ctx.Err() == nil {
		more, err := t.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "a task of the clock failed and will be tried again",
				slog.String("task", t.Name), slog.Any("cause", err))
		}
		if !more || err != nil {
			return err
		}
	}
	return ctx.Err()
}
