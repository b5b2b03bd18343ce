package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Notices returns a page of the notices of the realm: those in a state
// ("failed", "waiting", "collecting", "delivered"), or with "" all of them in
// that order. They come without their events.
func (c *Client) Notices(ctx context.Context, state string, page Page) (*NoticeList, error) {
	return call[NoticeList](ctx, c, get, path("notices"), page.query("state", state), nil)
}

// Notice returns a notice with its events.
func (c *Client) Notice(ctx context.Context, id string) (*Notice, error) {
	return call[Notice](ctx, c, get, path("notices", id), nil, nil)
}

// RetryNotice has a notice that was given up, or that waits, tried now.
func (c *Client) RetryNotice(ctx context.Context, id string) (*Notice, error) {
	return call[Notice](ctx, c, post, path("notices", id, "retry"), nil, nil)
}

// NoticeChannels returns the channels that are told of the realm.
func (c *Client) NoticeChannels(ctx context.Context) ([]NoticeChannel, error) {
	l, err := call[native.NoticeChannelList](ctx, c, get, path("notice-channels"), nil, nil)
	if err != nil {
		return nil, err
	}
	return l.Channels, nil
}

// TestNoticeChannel sends a message that says that it is a test to each
// receiver of a channel.
func (c *Client) TestNoticeChannel(ctx context.Context, name string) (*NoticeTrial, error) {
	return call[NoticeTrial](ctx, c, post, path("notice-channels", name, "test"), nil, nil)
}
