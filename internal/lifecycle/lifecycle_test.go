package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestTasksRunAtOnceAndAtEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ticks []time.Duration
		start := time.Now()
		r := Start(time.Minute, slog.New(slog.DiscardHandler), Task{Name: "keys", Tick: func(context.Context) (bool, error) {
			ticks = append(ticks, time.Since(start))
			return len(ticks) == 2, nil // more to do after the second tick
		}})
		time.Sleep(2*time.Minute + time.Second)
		r.Stop()
		want := []time.Duration{0, time.Minute, time.Minute, 2 * time.Minute}
		if len(ticks) != len(want) {
			t.Fatalf("ticked at %v, want %v", ticks, want)
		}
		for i := range want {
			if ticks[i] != want[i] {
				t.Errorf("tick %d at %v, want %v", i, ticks[i], want[i])
			}
		}
	})
}

func TestFailingTaskIsTriedAgainAndKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed, worked := 0, 0
		r := Start(time.Second, slog.New(slog.DiscardHandler),
			Task{Name: "broken", Tick: func(context.Context) (bool, error) { failed++; return true, errors.New("broken") }},
			Task{Name: "sound", Tick: func(context.Context) (bool, error) { worked++; return false, nil }})
		time.Sleep(2500 * time.Millisecond)
		r.Stop()
		if failed != 3 || worked != 3 {
			t.Errorf("the broken task ran %d times and the sound one %d times in 2.5 intervals, want 3 and 3", failed, worked)
		}
	})
}

func TestStopWaitsForARunningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		r := Start(time.Hour, slog.New(slog.DiscardHandler), Task{Name: "slow", Tick: func(ctx context.Context) (bool, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return true, ctx.Err()
		}})
		synctest.Wait()
		r.Stop()
		if !ended {
			t.Error("Stop returned before the task had ended")
		}
	})
}
