package notice

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Message is what a Sender hands over: an event, or a digest of several.
type Message struct {
	// ID is the same whenever the message is sent: its receiver can drop what it
	// has already.
	ID              string
	Channel, Target string
	Realm           key.RealmID
	Created         time.Time
	Events          []*event.Event
	// Digest tells that Events happened over a time; one event alone is a digest
	// as well, then.
	Digest bool
}

// message returns what is sent of a delivery.
func (d *Delivery) message() *Message {
	return &Message{
		ID: d.ID, Channel: d.Channel, Target: d.Target, Realm: d.Realm, Created: d.Created, Events: d.Events,
		Digest: d.Digest,
	}
}

// maxTitle is the longest title, in characters.
const maxTitle = 200

// Title is the message in a line: of mail the subject.
func (m *Message) Title() string {
	if !m.Digest {
		e := m.Events[0]
		return short(fmt.Sprintf("[Holdfast] %s: %s", SeverityOf(e), clean(e.Summary)))
	}
	return short(fmt.Sprintf("[Holdfast] %s", m.counts()))
}

// counts says how many events of which severity a digest has.
func (m *Message) counts() string {
	n := map[Severity]int{}
	for _, e := range m.Events {
		n[SeverityOf(e)]++
	}
	var parts []string
	for _, s := range []Severity{Critical, Warning, Info} {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	word := "notices"
	if len(m.Events) == 1 {
		word = "notice"
	}
	return fmt.Sprintf("%d %s (%s)", len(m.Events), word, strings.Join(parts, ", "))
}

// Text is the message as people read it, in plain text with line feeds.
func (m *Message) Text() string {
	var b strings.Builder
	if !m.Digest {
		b.WriteString(single(m.Events[0]))
	} else {
		m.digest(&b)
	}
	fmt.Fprintf(&b, "\n--\nHoldfast, notice %s to channel %s\n", m.ID, m.Channel)
	return b.String()
}

// maxParagraph bounds the paragraphs of a digest, in bytes.
const maxParagraph = 2500

// Paragraphs are the message in parts, for what shows blocks: the sentence and
// the facts of an event, or the lines of a digest.
func (m *Message) Paragraphs() []string {
	if !m.Digest {
		return []string{clean(m.Events[0].Summary), strings.TrimSuffix(facts(m.Events[0]), "\n")}
	}
	var list []string
	for _, e := range m.sorted() {
		text := fmt.Sprintf("%s: %s", SeverityOf(e), strings.TrimSpace(strings.TrimPrefix(line(e), "- ")))
		if n := len(list); n > 0 && len(list[n-1])+len(text) < maxParagraph {
			list[n-1] += "\n" + text
		} else {
			list = append(list, text)
		}
	}
	return list
}

// single is the text of one event.
func single(e *event.Event) string { return clean(e.Summary) + "\n\n" + facts(e) }

// facts are the lines about an event.
func facts(e *event.Event) string {
	var b strings.Builder
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name+":", clean(value))
		}
	}
	fact("Severity", SeverityOf(e).String())
	fact("Kind", string(e.Kind))
	fact("Time", moment(e.Time))
	fact("Name", e.Name)
	fact("Resource", e.Subject)
	fact("Realm", string(e.Realm))
	fact("Region", e.Region)
	for _, d := range e.Details {
		fact(clean(d.Name), d.Value)
	}
	fact("Event", e.ID)
	return b.String()
}

// digest writes the text of a digest: by severity, and then in their order.
func (m *Message) digest(b *strings.Builder) {
	first, last := m.Events[0].Time, m.Events[0].Time
	for _, e := range m.Events {
		if e.Time.Before(first) {
			first = e.Time
		}
		if e.Time.After(last) {
			last = e.Time
		}
	}
	when := "at " + moment(first)
	if !first.Equal(last) {
		when = fmt.Sprintf("from %s to %s", moment(first), moment(last))
	}
	fmt.Fprintf(b, "%s in realm %s, %s.\n", m.counts(), m.Realm, when)
	current := Severity(len(severityNames))
	for _, e := range m.sorted() {
		if s := SeverityOf(e); s != current {
			fmt.Fprintf(b, "\n%s\n", strings.ToUpper(s.String()))
			current = s
		}
		b.WriteString(line(e))
	}
}

// sorted returns the events with the most severe first, each severity in the
// order of time.
func (m *Message) sorted() []*event.Event {
	list := slices.Clone(m.Events)
	slices.SortStableFunc(list, func(a, b *event.Event) int {
		if x, y := SeverityOf(a), SeverityOf(b); x != y {
			return int(y) - int(x)
		}
		return a.Time.Compare(b.Time)
	})
	return list
}

// line is an event in a digest.
func line(e *event.Event) string {
	return fmt.Sprintf("- %s  %s\n", moment(e.Time), clean(e.Summary))
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clean returns a text on one line, without what a terminal or a mail's header
// would take for more than a text: others chose it.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
}

// short cuts a title.
func short(text string) string {
	if all := []rune(text); len(all) > maxTitle {
		return string(all[:maxTitle-1]) + "…"
	}
	return text
}

// Title is what is sent of the delivery in a line.
func (d *Delivery) Title() string { return d.message().Title() }
