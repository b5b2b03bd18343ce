package config

// Rotation is what holds where a rule of rotation says nothing
// (docs/rotation.md), in days.
type Rotation struct {
	// SymmetricDays and AsymmetricDays are how old the material of keys without
	// and with a public half gets, 1 to 3650. Default: 365 and 730.
	SymmetricDays  int `yaml:"symmetric_days"`
	AsymmetricDays int `yaml:"asymmetric_days"`
	// OverlapDays is how long a key that has a successor still verifies, 1 to
	// 3650. Default: 90.
	OverlapDays int `yaml:"overlap_days"`
	// NoticeDays is how many days before people are told, 1 to 365, less than both
	// periods. Default: 30.
	NoticeDays int `yaml:"notice_days"`
}

func (r *Rotation) validate(refuse func(name, format string, args ...any)) {
	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"symmetric_days", r.SymmetricDays, 3650},
		{"asymmetric_days", r.AsymmetricDays, 3650},
		{"overlap_days", r.OverlapDays, 3650},
		{"notice_days", r.NoticeDays, 365},
	} {
		if n.value < 1 || n.value > n.max {
			refuse("rotation."+n.name, "%d is not between 1 and %d", n.value, n.max)
		}
	}
	if shortest := min(r.SymmetricDays, r.AsymmetricDays); r.NoticeDays >= shortest {
		refuse("rotation.notice_days", "%d is not less than the shorter period, %d", r.NoticeDays, shortest)
	}
}
