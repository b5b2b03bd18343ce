//go:build noaws

package holdfast_test

import "testing"

func tryAWS(*testing.T, string) {}
