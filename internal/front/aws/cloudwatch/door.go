package cloudwatch

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// Metrics is what this front end asks of the figures; *metric.Service is it,
// and its documentation holds.
type Metrics interface {
	List(ctx context.Context, call *key.Call, l *metric.List) ([]metric.Series, string, error)
	Statistics(ctx context.Context, call *key.Call, q *metric.Question) ([]metric.Point, error)
	Data(ctx context.Context, call *key.Call, questions []*metric.Question, most int) ([][]metric.Point, error)
}

// Alarms is what this front end asks of the alarms; *alarm.Service is it, and
// its documentation holds.
type Alarms interface {
	Changes
	List(ctx context.Context, call *key.Call, l *alarm.List) ([]*alarm.Alarm, string, error)
	History(ctx context.Context, call *key.Call, h *alarm.History) ([]*alarm.Change, string, error)
	Tags(ctx context.Context, call *key.Call, name string) ([]key.Tag, error)
}

// Changes are those of alarms.
type Changes interface {
	Put(ctx context.Context, call *key.Call, a *alarm.Alarm) error
	Delete(ctx context.Context, call *key.Call, names []string) error
	SetState(ctx context.Context, call *key.Call, name string, set alarm.Setting) error
	TurnActions(ctx context.Context, call *key.Call, names []string, on bool) error
	Tag(ctx context.Context, call *key.Call, name string, tags []key.Tag) error
	Untag(ctx context.Context, call *key.Call, name string, keys []string) error
}

// front is the API over metrics and alarms.
type front struct {
	metrics Metrics
	alarms  Alarms
	now     func() time.Time
}
