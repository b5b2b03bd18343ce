package index

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// BenchmarkSearch compares searches with and without the index, in a log of
// 100,000 entries, or of as many as HOLDFAST_BENCH_ENTRIES says.
func BenchmarkSearch(b *testing.B) {
	n := 100_000
	if text := os.Getenv("HOLDFAST_BENCH_ENTRIES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	dir := b.TempDir()
	l := openLog(b, dir, audit.DefaultSegmentSize)
	fill(b, l, n, func(i int) *audit.Entry {
		return &audit.Entry{
			Time: begin.Add(time.Duration(i) * time.Second), Realm: key.DefaultRealm, Region: "us-east-1", RequestID: fmt.Sprintf("6f1a2b3c-0000-4000-8000-%012d", i),
			API: "aws.kms", Operation: "Sign", Action: key.Sign, Principal: fmt.Sprintf("123456789012:user:service-%d", i%5000), Credential: "AKIAIOSFODNN7EXAMPLE",
			Method: "sigv4", Source: "192.0.2.17", UserAgent: "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1",
			Resource: fmt.Sprintf("123456789012/us-east-1/1234abcd-12ab-34cd-56ef-%012d", i%1000), Decision: audit.Allowed,
			Why: "key policy, statement Enable IAM policies", Result: "ok", Details: []audit.Detail{{Name: "algorithm", Value: "ECDSA_SHA_256"}},
		}
	})
	x := mustOpen(b, Config{Log: l, Dir: filepath.Join(dir, "index")})
	start := time.Now()
	tick(b, x)
	b.Logf("indexing %d entries took %v", n, time.Since(start))
	read := func(s audit.Source, f audit.Filter) iter.Seq2[*audit.Record, error] { return s.Read(b.Context(), f) }
	last := func(s audit.Source, f audit.Filter) iter.Seq2[*audit.Record, error] {
		return s.Tail(b.Context(), 50, f, false)
	}
	for _, c := range []struct {
		name   string
		ask    func(audit.Source, audit.Filter) iter.Seq2[*audit.Record, error]
		filter audit.Filter
	}{
		{"a caller", read, audit.Filter{Principal: "123456789012:user:service-77"}},
		{"a key in an hour", read, audit.Filter{Resource: "*000000000042", From: begin.Add(10 * time.Hour), Until: begin.Add(11 * time.Hour)}},
		{"a request", read, audit.Filter{RequestID: "6f1a2b3c-0000-4000-8000-000000012345"}},
		{"what is not there", read, audit.Filter{Result: "permission denied"}},
		{"the last 50 of a key", last, audit.Filter{Resource: "123456789012/us-east-1/1234abcd-12ab-34cd-56ef-000000000042"}},
	} {
		for _, s := range []struct {
			name   string
			source audit.Source
		}{{"index", x}, {"log", l}} {
			b.Run(c.name+"/"+s.name, func(b *testing.B) {
				for b.Loop() {
					for _, err := range c.ask(s.source, c.filter) {
						if err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}
