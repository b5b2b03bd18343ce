package topic //nolint:testpackage // the waits are nobody's but this package's

import (
	"slices"
	"testing"
	"time"
)

// TestWaits has the waits of rules, in seconds.
func TestWaits(t *testing.T) {
	rule := func(f Backoff, n, immediate, before, after int) Retry {
		return Retry{n, immediate, before, after, 10 * time.Second, 50 * time.Second, f}
	}
	tests := []struct {
		rule Retry
		want []int
	}{
		{rule(Linear, 0, 0, 0, 0), nil},
		{rule(Linear, 1, 0, 0, 0), []int{10}},
		{rule(Linear, 5, 0, 0, 0), []int{10, 20, 30, 40, 50}},
		{rule(Arithmetic, 5, 0, 0, 0), []int{10, 16, 25, 36, 50}},
		{rule(Geometric, 5, 0, 0, 0), []int{10, 12, 20, 32, 50}},
		{rule(Exponential, 5, 0, 0, 0), []int{10, 14, 22, 33, 50}},
		{rule(Linear, 7, 2, 1, 1), []int{0, 0, 10, 10, 30, 50, 50}},
		{rule(Linear, 3, 1, 1, 1), []int{0, 10, 50}},
	}
	for _, test := range tests {
		var got []int
		for n := 1; ; n++ {
			wait, ok := test.rule.wait(n)
			if !ok {
				break
			}
			got = append(got, int(wait.Seconds()))
		}
		if err := test.rule.check(); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%+v: %v, want %v: %v", test.rule, got, test.want, err)
		}
	}
	usual := DefaultRetry()
	if total := usual.total(); total < 6*time.Hour || total > 7*time.Hour || usual.check() != nil {
		t.Errorf("the usual rule takes %v", total)
	}
}
