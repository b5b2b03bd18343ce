// Package notices serves over the native API what people are told, and how.
package notices

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/notice"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// front has the handlers.
type front struct{ notices *notice.Service }

// Operations returns the operations on notices.
func Operations(s *notice.Service) []native.Operation {
	f := &front{s}
	return []native.Operation{
		native.Get("/notices", "ListNotices", key.ListNotices, native.Handle(f.list)).Takes(native.Paged("state")...),
		native.Get("/notices/{notice}", "GetNotice", key.ListNotices, native.Handle(f.show)),
		native.Post("/notices/{notice}/retry", "RetryNotice", key.RetryNotice, native.Handle(f.retry)),
		native.Get("/notice-channels", "ListNoticeChannels", key.ListNotices, native.Handle(f.channels)),
		native.Post("/notice-channels/{channel}/test", "TestNotice", key.TestNotice, native.Handle(f.test)),
	}
}

func (f *front) list(ctx context.Context, r *native.Request, _ *wire.None) (*wire.NoticeList, error) {
	page, err := r.Page()
	if err != nil {
		return nil, err
	}
	var states []notice.State
	if s := r.Param("state"); s != "" {
		states = append(states, notice.State(s))
	}
	all, next, err := f.notices.List(ctx, r.Call, states, page)
	if err != nil {
		return nil, err
	}
	list := &wire.NoticeList{Notices: make([]wire.Notice, len(all)), Next: next}
	for i, d := range all {
		list.Notices[i] = *noticeOut(d)
	}
	return list, nil
}

func (f *front) show(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Notice, error) {
	return whole(f.notices.Show(ctx, r.Call, r.Path("notice")))
}

func (f *front) retry(ctx context.Context, r *native.Request, _ *wire.None) (*wire.Notice, error) {
	return whole(f.notices.Retry(ctx, r.Call, r.Path("notice")))
}

func (f *front) channels(ctx context.Context, r *native.Request, _ *wire.None) (*wire.NoticeChannelList, error) {
	all, err := f.notices.Channels(ctx, r.Call)
	if err != nil {
		return nil, err
	}
	list := &wire.NoticeChannelList{Channels: make([]wire.NoticeChannel, len(all))}
	for i := range all {
		c := &all[i]
		out := wire.NoticeChannel{
			Name: c.Name, Kind: c.Kind, Targets: c.Targets, State: "up", Delivered: c.Delivered, Failed: c.Failed, GivenUp: c.GivenUp,
			Waiting: c.Waiting, OldestAt: c.Oldest,
		}
		if c.Down != nil {
			out.State, out.Cause, out.Until = "down", c.Down.Error(), c.Until
		}
		list.Channels[i] = out
	}
	return list, nil
}

func (f *front) test(ctx context.Context, r *native.Request, _ *wire.None) (*wire.NoticeTrial, error) {
	trials, err := f.notices.Test(ctx, r.Call, r.Path("channel"))
	if err != nil {
		return nil, err
	}
	out := &wire.NoticeTrial{Results: make([]wire.NoticeTrialResult, len(trials))}
	for i, t := range trials {
		out.Results[i] = wire.NoticeTrialResult{Target: t.Target, OK: t.Err == nil}
		if t.Err != nil {
			out.Results[i].Error = t.Err.Error()
		}
	}
	return out, nil
}

// noticeOut puts a notice into the API's shape, without its events.
func noticeOut(d *notice.Delivery) *wire.Notice {
	out := &wire.Notice{
		ID: d.ID, Channel: d.Channel, Target: d.Target, State: string(d.State), Title: d.Title(), CreatedAt: d.Created,
		Attempts: d.Attempts, Error: d.Error, EndedAt: d.Ended, Digest: d.Digest,
	}
	if d.State == notice.Waiting || d.State == notice.Collecting {
		out.NextAt = d.Due
	}
	return out
}

// whole puts a notice into the API's shape, with its events.
func whole(d *notice.Delivery, err error) (*wire.Notice, error) {
	if err != nil {
		return nil, err
	}
	out := noticeOut(d)
	for _, e := range d.Events {
		shape := wire.NoticeEvent{
			ID: e.ID, Kind: string(e.Kind), Severity: notice.SeverityOf(e).String(), Time: e.Time, Region: e.Region,
			Subject: e.Subject, Name: e.Name, Summary: e.Summary,
		}
		for _, fact := range e.Details {
			shape.Details = append(shape.Details, wire.NoticeDetail(fact))
		}
		out.Events = append(out.Events, shape)
	}
	return out, nil
}
