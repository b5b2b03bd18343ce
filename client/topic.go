package client

import "context"

// CreateTopic makes a topic.
func (c *Client) CreateTopic(ctx context.Context, req *CreateTopicRequest) (*Topic, error) {
	return call[Topic](ctx, c, post, path("topics"), nil, req)
}

// DeleteTopic ends a topic with its subscriptions.
func (c *Client) DeleteTopic(ctx context.Context, name string) error {
	return c.do(ctx, del, path("topics", name), nil, nil)
}

// Topics returns a page of topics.
func (c *Client) Topics(ctx context.Context, p Page) (*TopicList, error) {
	return call[TopicList](ctx, c, get, path("topics"), p.query(), nil)
}

// Topic returns a topic, with how many subscriptions it has.
func (c *Client) Topic(ctx context.Context, name string) (*Topic, error) {
	return call[Topic](ctx, c, get, path("topics", name), nil, nil)
}

// TopicSubscriptions returns a page of a topic's subscriptions.
func (c *Client) TopicSubscriptions(ctx context.Context, name string, p Page) (*SubscriptionList, error) {
	return call[SubscriptionList](ctx, c, get, path("topics", name, "subscriptions"), p.query(), nil)
}

// Publish publishes a message on a topic, and returns its id.
func (c *Client) Publish(ctx context.Context, name string, req *PublishRequest) (*Published, error) {
	return call[Published](ctx, c, post, path("topics", name, "messages"), nil, req)
}

// FailedDeliveries returns a page of the messages that subscriptions did not get.
func (c *Client) FailedDeliveries(ctx context.Context, p Page) (*FailedDeliveryList, error) {
	return call[FailedDeliveryList](ctx, c, get, path("failed-deliveries"), p.query(), nil)
}
