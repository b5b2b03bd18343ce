package native

import "time"

// Notice is a message to one receiver about what happened.
type Notice struct {
	// ID is the message's, whenever it is sent: mail has it in its Message-ID,
	// webhooks have it in webhook-id.
	ID string `json:"id"`
	// Channel is the channel's name in the server's configuration, Target who of
	// its receivers is told; absent where it has one.
	Channel string `json:"channel"`
	Target  string `json:"target,omitempty"`
	// State is "failed" (given up, or refused for good), "waiting", "collecting"
	// (a digest whose time has not come) or "delivered".
	State string `json:"state"`
	// Title is the message in a line.
	Title string `json:"title"`
	// CreatedAt is when the message was made.
	CreatedAt time.Time `json:"created_at"`
	// Attempts were made to deliver it; Error is why the last of them failed.
	Attempts int    `json:"attempts"`
	Error    string `json:"error,omitempty"`
	// NextAt is when the next attempt is due, EndedAt when it was delivered or
	// given up.
	NextAt  time.Time `json:"next_at,omitzero"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Digest tells that the message is about all that happened in a time.
	Digest bool `json:"digest,omitempty"`
	// Events are what it is about. Listings leave them out.
	Events []NoticeEvent `json:"events,omitempty"`
}

// NoticeEvent is something that happened.
type NoticeEvent struct {
	// ID makes it happen once, however often it is seen.
	ID string `json:"id"`
	// Kind is such as "certificate.expiring".
	Kind string `json:"kind"`
	// Severity is "info", "warning" or "critical".
	Severity string `json:"severity"`
	// Time is when it happened.
	Time time.Time `json:"time"`
	// Region is where, Subject what it is about, Name how people call that.
	Region  string `json:"region,omitempty"`
	Subject string `json:"subject"`
	Name    string `json:"name,omitempty"`
	// Summary is one sentence.
	Summary string `json:"summary"`
	// Details are further facts.
	Details []NoticeDetail `json:"details,omitempty"`
}

// NoticeDetail is a named fact.
type NoticeDetail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// NoticeList is a page of notices. Next is the marker of the next page, empty
// at the end.
type NoticeList struct {
	Notices []Notice `json:"notices"`
	Next    string   `json:"next,omitempty"`
}

// NoticeChannel is a way to tell somebody.
type NoticeChannel struct {
	Name string `json:"name"`
	// Kind is "mail", "webhook", "slack" or "topic".
	Kind string `json:"kind"`
	// Targets are who is told one by one, absent where the channel has one
	// receiver.
	Targets []string `json:"targets,omitempty"`
	// State is "up", or "down" while the receiver is not reached; Cause is why,
	// and Until when it is tried again.
	State string    `json:"state"`
	Cause string    `json:"cause,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Delivered, Failed and GivenUp count since the server started: notices that
	// arrived, attempts that failed, and notices that will not arrive.
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	GivenUp   int64 `json:"given_up"`
	// Waiting is how many notices wait, and OldestAt since when the first of them
	// is tried.
	Waiting  int       `json:"waiting"`
	OldestAt time.Time `json:"oldest_at,omitzero"`
}

// NoticeChannelList is the channels that are told of the realm.
type NoticeChannelList struct {
	Channels []NoticeChannel `json:"channels"`
}

// NoticeTrial is what came of a test: for each receiver of the channel whether
// it took the message.
type NoticeTrial struct {
	Results []NoticeTrialResult `json:"results"`
}

// NoticeTrialResult is what one receiver said.
type NoticeTrialResult struct {
	Target string `json:"target,omitempty"`
	OK     bool   `json:"ok"`
	// Error is why it has not taken the message.
	Error string `json:"error,omitempty"`
}
