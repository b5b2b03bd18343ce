package trace_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// drawing keeps steps as lines, each with the path to it.
type drawing struct{ lines []string }

type step struct {
	in   *drawing
	path string
}

func (s *step) Child(name string) trace.Step {
	child := &step{s.in, s.path + "/" + name}
	s.in.lines = append(s.in.lines, child.path)
	return child
}

func (s *step) Set(name trace.Attribute, value string) {
	s.in.lines = append(s.in.lines, s.path+" "+strings.TrimPrefix(string(name), "holdfast.")+"="+value)
}

func (s *step) End(broken bool) {
	s.in.lines = append(s.in.lines, fmt.Sprint(s.path, " ends, broken: ", broken))
}

// TestTree draws a request: steps stand within those that have not ended, in
// whatever order they end.
func TestTree(t *testing.T) {
	d := &drawing{}
	ctx, root := trace.With(t.Context(), "4bf92f3577b34da6a3ce929d0e0e4736", &step{d, "request"})
	if trace.Root(ctx) != root || trace.ID(ctx) != "4bf92f3577b34da6a3ce929d0e0e4736" || root.TraceID() != trace.ID(ctx) {
		t.Error("the context does not know its trace")
	}
	visit := trace.Start(ctx, "visit")
	visit.Set(trace.Decision, "allow")
	visit.Set(trace.Engine, "")
	sign := trace.Start(ctx, "sign")
	other := trace.Start(ctx, "other")
	sign.End(fault.New(fault.Unavailable, "away")) // before what stands in it
	other.End(nil)
	other.End(nil) // does nothing
	other.Set(trace.Engine, "late")
	trace.Start(ctx, "audit").End(nil)
	visit.End(fault.New(fault.NotFound, "no such key"))
	root.End(nil)
	if late := trace.Start(ctx, "late"); late != nil {
		t.Error("a step began after the request's end")
	}
	want := []string{
		"request/visit", "request/visit decision=allow",
		"request/visit/sign", "request/visit/sign/other",
		"request/visit/sign result=unavailable", "request/visit/sign ends, broken: true",
		"request/visit/sign/other result=ok", "request/visit/sign/other ends, broken: false",
		"request/visit/audit", "request/visit/audit result=ok", "request/visit/audit ends, broken: false",
		"request/visit result=not found", "request/visit ends, broken: false",
		"request result=ok", "request ends, broken: false",
	}
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestBound asserts that a request with many steps has no more than MaxSpans,
// also when goroutines begin them at the same time.
func TestBound(t *testing.T) {
	d := &drawing{}
	ctx, root := trace.With(t.Context(), "id", &step{d, ""})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range trace.MaxSpans {
				trace.Start(ctx, "step").End(nil)
			}
		})
	}
	wg.Wait()
	root.End(nil)
	if want := 3 * trace.MaxSpans; len(d.lines) != want+2 {
		t.Errorf("%d lines, not %d", len(d.lines), want+2)
	}
}

// TestUnwatched states the cost of a step that nobody watches: no allocation.
func TestUnwatched(t *testing.T) {
	type someKey struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), someKey{}, 1))
	defer cancel()
	if n := testing.AllocsPerRun(100, func() {
		s := trace.Start(ctx, "visit")
		s.Set(trace.Decision, "allow")
		s.End(nil)
		trace.Root(ctx).Set(trace.Code, "ok")
		if trace.ID(ctx) != "" || s.TraceID() != "" {
			t.Fatal("a trace out of nowhere")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkUnwatched is what a step costs that nobody watches.
func BenchmarkUnwatched(b *testing.B) {
	type someKey struct{ n int }
	ctx := b.Context()
	for n := range 5 { // as deep as a request's context is
		ctx = context.WithValue(ctx, someKey{n}, 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		trace.Start(ctx, "visit").End(nil)
	}
}
