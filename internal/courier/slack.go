package courier

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Limits of Slack's messages, in characters ("Reference: blocks", Slack's
// documentation for developers), and of blocks in one.
const (
	maxSlackHeader  = 150
	maxSlackSection = 3000
	maxSlackBlocks  = 50
)

// slackMessage is what incoming webhooks of Slack take, and those of what is
// compatible (Mattermost, Rocket.Chat, Discord's /slack).
type slackMessage struct {
	// Text is what notifications show, and all that some receivers know.
	Text   string       `json:"text"`
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type string     `json:"type"`
	Text *slackText `json:"text"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Slack returns a message for a Slack-compatible webhook: a title, and a block
// for each paragraph. What goes over Slack's limits is cut short, and nothing
// in it is a mention or a link.
func Slack(title string, paragraphs []string) ([]byte, error) {
	m := slackMessage{Text: escape(title), Blocks: []slackBlock{{"header", &slackText{"plain_text", cut(title, maxSlackHeader)}}}}
	left := 0
	if most := maxSlackBlocks - 2; len(paragraphs) > most { // the header, and a line for the rest
		left = len(paragraphs) - most
		paragraphs = paragraphs[:most]
	}
	for _, p := range paragraphs {
		m.Blocks = append(m.Blocks, section(p))
	}
	if left > 0 {
		m.Blocks = append(m.Blocks, section("…"))
	}
	return json.Marshal(m)
}

func section(text string) slackBlock {
	return slackBlock{"section", &slackText{"mrkdwn", cut(escape(text), maxSlackSection)}}
}

// escape keeps a text from being markup ("Formatting text": three characters).
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// cut returns the first characters of a text, no more than so many.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}
