package aws

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// cliCall and boto3Call find the operations that a script calls.
var (
	cliCall   = regexp.MustCompile(`aws (?:kms|sts) ([a-z-]+)`)
	boto3Call = regexp.MustCompile(`(?:kms|sts)\.(?:get_paginator\(")?([a-z]+_[a-z_]+|encrypt|decrypt|sign|verify)(?:\(|")`)
)

// scripted returns the operations that the scripts call, as the API names
// them. A pattern that matches no file fails.
func scripted(t *testing.T, pattern string, call *regexp.Regexp) []string {
	t.Helper()
	var names []string
	for _, file := range matching(t, pattern) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllSubmatch(text, -1) {
			if name := camel(string(m[1])); !slices.Contains([]string{"GetPaginator", "CanPaginate"}, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// matching returns the files of a glob that must not be empty.
func matching(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s matches no file (%v)", pattern, err)
	}
	return files
}

// camel turns the clients' spelling of an operation into the API's:
// create-key and create_key are CreateKey.
func camel(name string) string {
	var b strings.Builder
	upper := true
	for _, r := range name {
		if r == '-' || r == '_' {
			upper = true
			continue
		}
		if upper {
			r = unicode.ToUpper(r)
		}
		upper = false
		b.WriteRune(r)
	}
	return b.String()
}

// TestCLI runs the scripts with the real aws command line and openssl.
func TestCLI(t *testing.T) {
	for _, script := range matching(t, "testdata/*.sh") {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".sh"), func(t *testing.T) {
			t.Parallel()
			tg, _ := setup(t)
			need(t, programs().aws)
			need(t, programs().openssl)
			run := fmt.Sprintf("run=run%d ENDPOINT_FLAG=%s", time.Now().UnixNano(), tg.endpointFlag())
			t.Logf("%s", tg.execute(t, t.TempDir(), "bash", "-c", run+`; . "$0"; . "$1"`, absolute(t, "testdata/prelude.bash"), absolute(t, script)))
		})
	}
}

// absolute returns the path of a file of ours, which the script finds from
// any working directory.
func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// endpointFlag returns the URL that the aws command line must be told by a
// flag: that of 2022, which Debian has, reads no AWS_ENDPOINT_URL.
func (t *target) endpointFlag() string {
	cli := programs().aws
	old := cli.Older(1, 29) || !cli.Older(2, 0) && cli.Older(2, 13)
	if !old || strings.HasSuffix(t.url, ".amazonaws.com") {
		return ""
	}
	return t.url
}

// TestBoto3 runs the Python programs.
func TestBoto3(t *testing.T) {
	for _, script := range matching(t, "testdata/*.py") {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".py"), func(t *testing.T) {
			t.Parallel()
			tg, _ := setup(t)
			need(t, programs().boto3)
			t.Logf("%s", tg.execute(t, t.TempDir(), "python3", absolute(t, script)))
		})
	}
}
