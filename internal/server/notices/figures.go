package notices

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/notice"
)

// Figures returns the figures of channels. Their only label is the channel's
// configured name.
func Figures(read func() []notice.ChannelStatus) *figure.Table[notice.ChannelStatus] {
	type status = notice.ChannelStatus
	return &figure.Table[status]{
		Label: "channel", Of: func(s *status) string { return s.Name }, Read: read,
		Figures: []figure.Figure[status]{
			figure.Counter("holdfast_notices_delivered_total", "Notices that their receivers have.", func(s *status) int64 { return s.Delivered }),
			figure.Counter("holdfast_notices_failed_attempts_total", "Attempts to deliver a notice that failed.", func(s *status) int64 { return s.Failed }),
			figure.Counter("holdfast_notices_given_up_total", "Notices that will not be delivered unless somebody has them tried again.", func(s *status) int64 { return s.GivenUp }),
			figure.Gauge("holdfast_notices_waiting", "Notices that wait for their next attempt.", func(s *status) int { return s.Waiting }),
			figure.Gauge("holdfast_notices_oldest_seconds", "For how long the first of the waiting notices has been tried, 0 when none waits.", func(s *status) int {
				if s.Oldest.IsZero() {
					return 0
				}
				return int(time.Since(s.Oldest).Seconds())
			}),
			figure.Flag("holdfast_notices_channel_up", "1 while the channel's receiver is reached, or was not tried yet.", func(s *status) bool { return s.Down == nil }),
		},
	}
}
