package ca

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

func TestCertificates(t *testing.T) {
	f := newFixture(t, "")
	a := f.authority(t, "a", alg.P256, "")
	f.authority(t, "b", alg.P256, "")
	serials := map[string][]string{}
	for i := range 7 {
		for _, ca := range []string{"a", "b"} {
			f.clock = f.clock.Add(time.Millisecond)
			serials[ca] = append(serials[ca], f.issue(t, ca, fmt.Sprintf("h%d.%s.example.com", i, ca)).Serial)
		}
	}
	revoked := serials["a"][3]
	if _, err := f.Revoke(t.Context(), f.as("admin"), "a", revoked, Superseded); err != nil {
		t.Fatal(err)
	}
	all := func(filter Filter, limit int) []string {
		t.Helper()
		var got []string
		for page := (kms.Page{Limit: limit}); ; {
			list, next, err := f.Certificates(t.Context(), f.as("admin"), filter, page)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) > limit {
				t.Errorf("a page of %d", len(list))
			}
			for _, c := range list {
				got = append(got, c.Serial)
			}
			if page.After = next; next == "" {
				return got
			}
		}
	}
	for _, limit := range []int{1, 3, 7, 14, 100} {
		if d := cmp.Diff(serials["a"], all(Filter{Authority: "a"}, limit)); d != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, d)
		}
		if got := all(Filter{}, limit); len(got) != 14 {
			t.Errorf("pages of %d: %d of all", limit, len(got))
		}
	}
	if d := cmp.Diff([]string{revoked}, all(Filter{Status: StatusRevoked}, 2)); d != "" {
		t.Error(d)
	}
	if got := all(Filter{Authority: a.ID, Status: StatusValid}, 2); len(got) != 6 {
		t.Errorf("%d valid", len(got))
	}
	if d := cmp.Diff([]string{serials["b"][4]}, all(Filter{Text: "H4.B"}, 2)); d != "" {
		t.Error(d)
	}
	if got := all(Filter{ExpiresBefore: f.clock.Add(80 * day)}, 5); len(got) != 0 {
		t.Errorf("%d end within 80 days", len(got))
	}
	if got := all(Filter{ExpiresBefore: f.clock.Add(100 * day)}, 5); len(got) != 14 {
		t.Errorf("%d end within 100 days", len(got))
	}
	_, _, err := f.Certificates(t.Context(), f.as("admin"), Filter{Status: "odd"}, kms.Page{})
	wantFault(t, err, fault.InvalidArgument, 0, "odd")
	_, _, err = f.Certificates(t.Context(), f.as("admin"), Filter{Authority: "nobody"}, kms.Page{})
	wantFault(t, err, fault.NotFound, 0, "authority")
	stranger := f.as("admin")
	stranger.Caller.Principal.Realm = "000000000042"
	if list, _, err := f.Certificates(t.Context(), stranger, Filter{}, kms.Page{}); err != nil || len(list) != 0 {
		t.Errorf("another realm sees %d certificates (%v)", len(list), err)
	}
}
