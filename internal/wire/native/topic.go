package native

import "time"

// CreateTopicRequest asks for a topic. One that is there already, and is as
// asked for, is returned.
type CreateTopicRequest struct {
	Name        string `json:"name"`
	DisplayName string `json:"display_name,omitempty"`
	// Signature is the version of its messages' signatures, 1 or 2; 0 is 2.
	Signature int   `json:"signature,omitempty"`
	Tags      []Tag `json:"tags,omitempty"`
}

// Topic is what messages are published on.
type Topic struct {
	Name        string `json:"name"`
	Realm       string `json:"realm"`
	Region      string `json:"region"`
	DisplayName string `json:"display_name,omitempty"`
	// Key is how its owner named the key that messages wait under; absent for the
	// realm's own.
	Key string `json:"key,omitempty"`
	// Signature is the version of its messages' signatures: 1 is RSA with SHA-1, 2
	// with SHA-256.
	Signature int       `json:"signature"`
	CreatedAt time.Time `json:"created_at"`
	Tags      []Tag     `json:"tags,omitempty"`
	// Subscriptions are how many there are. Listings leave them out.
	Subscriptions *SubscriptionCounts `json:"subscriptions,omitempty"`
}

// SubscriptionCounts is how many subscriptions a topic has.
type SubscriptionCounts struct {
	Confirmed int `json:"confirmed"`
	Pending   int `json:"pending"`
	// Left were ended by their receivers, who can still take them back.
	Left int `json:"left"`
}

// TopicList is a page of topics.
type TopicList struct {
	Topics []Topic `json:"topics"`
	Next   string  `json:"next,omitempty"`
}

// Subscription is who gets a topic's messages.
type Subscription struct {
	ID       string `json:"id"`
	Protocol string `json:"protocol"`
	Endpoint string `json:"endpoint"`
	// State is "pending", "confirmed" or "left".
	State string `json:"state"`
	// Raw says that messages come as their text alone.
	Raw       bool      `json:"raw,omitempty"`
	Filter    string    `json:"filter,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// SubscriptionList is a page of subscriptions.
type SubscriptionList struct {
	Subscriptions []Subscription `json:"subscriptions"`
	Next          string         `json:"next,omitempty"`
}

// PublishRequest publishes a message.
type PublishRequest struct {
	Message string `json:"message"`
	Subject string `json:"subject,omitempty"`
}

// Published is a message that was published.
type Published struct {
	ID string `json:"id"`
}

// FailedDelivery is a message that a subscription did not get.
type FailedDelivery struct {
	Message      string    `json:"message"`
	Topic        string    `json:"topic"`
	Subscription string    `json:"subscription"`
	Protocol     string    `json:"protocol"`
	Endpoint     string    `json:"endpoint"`
	Attempts     int       `json:"attempts"`
	Cause        string    `json:"cause"`
	PublishedAt  time.Time `json:"published_at"`
	FailedAt     time.Time `json:"failed_at"`
}

// FailedDeliveryList is a page of the deliveries that were given up in the last
// 14 days.
type FailedDeliveryList struct {
	Deliveries []FailedDelivery `json:"deliveries"`
	Next       string           `json:"next,omitempty"`
}
