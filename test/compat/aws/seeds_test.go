package aws

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSeeds runs commands as people have published them: every "aws kms"
// command of the texts in the folder HOLDFAST_SEEDS, as it stands, with its
// placeholders filled in. The texts are not ours, hence not in this tree.
func TestSeeds(t *testing.T) {
	texts := seedTexts(t)
	tg, _ := setup(t)
	need(t, programs().aws)
	ran := 0
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		commands := seedCommands(texts[file])
		if len(commands) == 0 {
			continue
		}
		ran += len(commands)
		t.Run(file, func(t *testing.T) { runSeed(t, tg, texts[file], commands) })
	}
	if ran == 0 {
		t.Error("the texts hold no command: the test looks for the wrong thing")
	}
}

// seedTexts returns the texts of the folder HOLDFAST_SEEDS by their names. The
// test is skipped where there is none.
func seedTexts(t *testing.T) map[string]string {
	t.Helper()
	dir := os.Getenv("HOLDFAST_SEEDS")
	if dir == "" {
		t.Skip("HOLDFAST_SEEDS names no folder of texts with commands")
	}
	texts := make(map[string]string)
	for _, file := range matching(t, filepath.Join(dir, "*.txt")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".txt")] = string(text)
	}
	return texts
}

// seedPrograms returns what a pattern finds first in each of those texts, or
// the first group of it. That there is none is a failure.
func seedPrograms(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	var found []string
	for _, text := range seedTexts(t) {
		if m := pattern.FindStringSubmatch(text); m != nil {
			found = append(found, m[len(m)-1])
		}
	}
	if len(found) == 0 {
		t.Fatal("the texts hold no such program: the test looks for the wrong thing")
	}
	return found
}

var (
	seedCommand = regexp.MustCompile(`(?m)^aws kms [a-z-]+(?:[^\n\\]*\\\n)*[^\n\\]*$`)
	seedPolicy  = regexp.MustCompile(`(?s)\{\n\s*"Version": "2012-10-17".*?\n\}`)
)

// seedCommands returns the commands of a text that name all they need.
// Commands about key stores in HSMs, which TestCloudHSM runs beside their
// cluster, and those that the text cuts off are left out.
func seedCommands(text string) []string {
	var commands []string
	for _, c := range seedCommand.FindAllString(text, -1) {
		if !strings.Contains(c, "custom-key-store") && !strings.HasSuffix(strings.TrimSpace(c), "|") {
			commands = append(commands, c)
		}
	}
	return commands
}

// runSeed runs the commands in their order. <key-id> is the key that the
// last create-key made; a policy file is the first policy of the text.
func runSeed(t *testing.T, tg *target, text string, commands []string) {
	dir := t.TempDir()
	if p := seedPolicy.FindString(text); p != "" {
		write(t, dir, "key-policy.json", []byte(p))
	}
	key := ""
	for _, c := range commands {
		filled := strings.ReplaceAll(c, "<key-id>", key)
		if strings.Contains(filled, " create-key ") {
			filled += " --query KeyMetadata.KeyId --output text"
		}
		if flag := tg.endpointFlag(); flag != "" {
			filled += " --endpoint-url " + flag
		}
		out := tg.execute(t, dir, "bash", "-euc", filled)
		t.Logf("%s\n%s", filled, out)
		if strings.Contains(filled, " create-key ") {
			key = strings.TrimSpace(out)
		}
	}
}
