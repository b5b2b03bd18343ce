package server

import (
	"context"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/tap"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/server/notices"
)

// noticeService is the name of notices as a service that publishes to topics.
const noticeService = "notices.holdfast.local"

// tapped returns the audit log with those who look at what goes into it.
func (i *instance) tapped(c *config.Config) audit.Recorder {
	i.bursts = notice.NewBursts(c.Notices.Denials, c.Notices.DenialsWindow)
	return tap.New(i.audit, i.bursts, i.meter, i.gauges)
}

// openNotices opens the channels of notices, and what looks for that of which
// nobody else tells. The publisher may be nil: there are no topics then.
func (i *instance) openNotices(
	c *config.Config, publisher notices.Publisher, log *slog.Logger, sources ...notice.Source,
) error {
	ways := notices.Ways{Poster: i.poster, Publisher: publisher, Service: noticeService}
	if i.mailer != nil {
		ways.Mailer = i.mailer
	}
	channels, rules, err := notices.Open(c, ways)
	if err != nil {
		return err
	}
	i.notices, err = notice.New(notice.Config{
		Store: i.store, Guard: i.guard, Channels: channels, Rules: rules, GiveUp: c.Notices.GiveUp, Log: log,
	})
	if err != nil {
		return err
	}
	i.watch = notice.NewWatch(notice.WatchConfig{
		Store: i.store, Authorities: i.ca, Managed: i.managed, Index: i.inventory, CertificateDays: c.Notices.CertificateDays, AuthorityDays: c.Notices.AuthorityDays,
		Sources: append([]notice.Source{i.bursts}, sources...),
	})
	return nil
}

// notices returns how the channels of notices are, for the figures.
func (s *server) notices() []notice.ChannelStatus {
	i := s.instance.Load()
	if i == nil {
		return nil
	}
	list, err := i.notices.Health(context.Background())
	if err != nil {
		s.Log.Warn("the channels of notices have no figures", slog.Any("cause", err)) //nolint:sloglint // no request is concerned
	}
	return list
}
