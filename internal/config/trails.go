package config

import "time"

// Trails is how trails deliver what is in the audit log.
type Trails struct {
	// Interval is how long events of a trail wait until they are delivered to
	// its bucket. Default: 5m.
	Interval time.Duration `yaml:"interval"`
}
