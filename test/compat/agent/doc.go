// Package agent has the tests that run `holdfast agent` beside real servers
// that use its certificates: Debian's nginx under load, and an agent that is
// killed whenever it is not expected.
package agent
