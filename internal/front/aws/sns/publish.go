package sns

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/topic"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// message is what is published, of Publish or of an entry of PublishBatch.
type message struct {
	topic.Publication
	structure string
}

func readMessage(p *aws.Params) message {
	m := message{structure: p.Text("MessageStructure")}
	m.Body, m.Subject = p.Required("Message"), p.Text("Subject")
	for _, e := range p.Entries("MessageAttributes", "Name", "Value") {
		m.Attributes = append(m.Attributes, topic.Attribute{
			Name: e.Key, Type: e.Value.Required("DataType"), Text: e.Value.Text("StringValue"), Bytes: e.Value.Blob("BinaryValue"),
		})
	}
	return m
}

// publication returns the message with the texts for the protocols.
func (m *message) publication() (*topic.Publication, error) {
	if m.structure == "" {
		return &m.Publication, nil
	}
	if m.structure != "json" {
		return nil, topic.Wrong("MessageStructure", "it must be json")
	}
	var texts map[string]any
	if err := json.Unmarshal([]byte(m.Body), &texts); err != nil {
		return nil, topic.Wrong("Message Structure - JSON message body failed to parse", "")
	}
	own, ok := texts["default"].(string)
	if !ok {
		return nil, topic.Wrong("Message Structure - No default entry in JSON message body", "")
	}
	if len(m.Body) > topic.MaxMessage { // of which the texts of other protocols are a part
		return nil, topic.Wrong("Message", "Message too long")
	}
	m.Body, m.Bodies = own, map[topic.Protocol]string{}
	for name, value := range texts {
		if body, ok := value.(string); ok && name != "default" {
			m.Bodies[topic.Protocol(name)] = body
		}
	}
	return &m.Publication, nil
}

type publish struct {
	arn
	message
}

func readPublish(p *aws.Params) publish {
	in := publish{arn{"TopicArn", p.Text("TopicArn")}, readMessage(p)}
	if p.Has("TargetArn") && in.text == "" {
		in.arn = arn{"TargetArn", p.Text("TargetArn")}
	}
	return in
}

func (f *front) publish(ctx context.Context, x *aws.Exchange, in publish) error {
	if in.text == "" {
		return topic.Wrong("TopicArn or TargetArn", "no value for required parameter")
	}
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	p, err := in.publication()
	if err != nil {
		return err
	}
	id, err := f.topics.Publish(ctx, &x.Call, ref, p)
	if err != nil {
		return err
	}
	x.XML.Text("MessageId", id)
	return nil
}

type publishBatch struct {
	arn
	entries []entry
}

type entry struct {
	id string
	message
}

func readPublishBatch(p *aws.Params) publishBatch {
	in := publishBatch{arn: readTopicARN(p)}
	for _, e := range p.Structs("PublishBatchRequestEntries") {
		in.entries = append(in.entries, entry{e.Required("Id"), readMessage(e)})
	}
	return in
}

// maxEntryID is the longest id of an entry.
const maxEntryID = 80

// check refuses a batch that is wrong as a whole.
func (in *publishBatch) check() error {
	seen, size := map[string]bool{}, 0
	for _, e := range in.entries {
		if e.id == "" || len(e.id) > maxEntryID || strings.Trim(e.id, letters) != "" {
			return wire.Invalid("InvalidBatchEntryId", "The Id of a batch entry in a batch request must be 1 to 80 letters, digits, hyphens and underscores.")
		}
		if seen[e.id] {
			return wire.Invalid("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id: "+e.id)
		}
		seen[e.id] = true
		size += e.Size()
	}
	switch {
	case len(in.entries) == 0:
		return wire.Invalid("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(in.entries) > topic.MaxBatch:
		return wire.Invalid("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	case size > topic.MaxMessage:
		return wire.Invalid("BatchRequestTooLong", "The length of all the batch messages put together is more than the limit.")
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// publishBatch publishes the entries that are right, and tells what is wrong
// with the others.
func (f *front) publishBatch(ctx context.Context, x *aws.Exchange, in publishBatch) error {
	ref, err := in.topic(x)
	if err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	type failure struct{ id, text string }
	var good []*topic.Publication
	var ids []string
	var failed []failure
	for i := range in.entries {
		e := &in.entries[i]
		p, err := e.publication()
		if err == nil {
			err = p.Check()
		}
		if err != nil {
			failed = append(failed, failure{e.id, invalid(aws.FaultOf(err))})
			continue
		}
		good, ids = append(good, p), append(ids, e.id)
	}
	messages, err := f.topics.PublishBatch(ctx, &x.Call, ref, good)
	if err != nil {
		return err
	}
	x.XML.List("Successful", len(messages), func(i int) {
		x.XML.Text("Id", ids[i])
		x.XML.Text("MessageId", messages[i])
	})
	x.XML.List("Failed", len(failed), func(i int) {
		x.XML.Text("Id", failed[i].id)
		x.XML.Text("Code", invalidParameter)
		x.XML.Text("Message", failed[i].text)
		x.XML.Bool("SenderFault", true)
	})
	return nil
}
