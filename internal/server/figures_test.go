package server

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// series returns the names with labels of what /metrics shows.
func (r *running) series() map[string]bool {
	r.t.Helper()
	_, text := r.do(http.MethodGet, "/metrics", "", "", "", "")
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			all[line[:at]] = true
		}
	}
	return all
}

// hostile sends what strangers and callers can think of: names that nobody
// has, in every place where a name can stand.
func (r *running) hostile(mark string) {
	r.t.Helper()
	for n := range 5 {
		name := fmt.Sprintf("%s%d", mark, n)
		r.kms(name, "{}")
		r.kms("DescribeKey", `{"KeyId":"`+uuid.NewString()+`"}`)
		r.kms("Encrypt", `{"KeyId":"alias/`+name+`","Plaintext":"AAAA"}`)
		r.kms("CreateAlias", `{"AliasName":"`+name+`","TargetKeyId":"`+name+`"}`)
		for _, path := range []string{
			"/" + name, "/holdfast/v1/" + name, "/holdfast/v1/keys/" + name, "/pki/" + name, "/pki/" + uuid.NewString() + ".crl",
			"/pki/" + uuid.NewString() + "/" + name, "/pki/" + uuid.NewString() + "/ocsp/" + name, "/?Action=" + name + "&Version=2010-03-31",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, "X" + strings.ToUpper(mark)} {
				req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader("Action="+name))
				if err != nil {
					r.t.Fatal(err)
				}
				req.Header.Set("User-Agent", name)
				req.Header.Set("X-Holdfast-Region", name)
				req.Header.Set("X-Amz-Target", name+"."+name)
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+name+"/20260101/"+name+"/kms/aws4_request, SignedHeaders=host, Signature=00")
				resp, err := r.http.Do(req)
				if err != nil {
					r.t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
}

// maxSeries is how many series a server shows at most that was asked for a
// little of everything.
const maxSeries = 800

// TestSeriesAreBounded asserts that callers cannot make series: what they send
// is no label's value, whatever it is.
func TestSeriesAreBounded(t *testing.T) {
	r := start(t, t.TempDir(), &Dev{InMemory: true}, nil)
	r.hostile("zebra")
	before := r.series()
	r.hostile("quagga")
	after := r.series()
	for name := range after {
		if strings.Contains(strings.ToLower(name), "zebra") || strings.Contains(strings.ToLower(name), "quagga") {
			t.Errorf("a caller made the series %s", name)
		}
		if !before[name] && strings.HasPrefix(name, "holdfast_request") {
			t.Errorf("other names made another series: %s", name)
		}
	}
	if len(after) > maxSeries {
		t.Errorf("%d series", len(after))
	}
	t.Logf("%d series", len(after))
}

// TestPromtoolTakesMetrics has Prometheus's own tool judge the names, their
// units and their help.
func TestPromtoolTakesMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool cannot be found: scripts/install-test-tools installs it")
	}
	r := start(t, t.TempDir(), &Dev{InMemory: true}, nil)
	r.kms("CreateKey", "{}")
	for !strings.Contains(strings.Join(keysOf(r.series()), "\n"), "holdfast_census_timestamp_seconds") {
		time.Sleep(10 * time.Millisecond)
	}
	_, text := r.do(http.MethodGet, "/metrics", "", "", "", "")
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	check.Stdout, check.Stderr = &said, &said
	if err := check.Run(); err != nil || said.Len() > 0 {
		t.Errorf("%v\n%s", err, &said)
	}
}

func keysOf(m map[string]bool) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
