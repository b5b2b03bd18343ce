package pca

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

func TestValidity(t *testing.T) {
	end := func(y int, m time.Month, d, h, minute, s int) profile.Validity {
		return profile.Validity{Until: time.Date(y, m, d, h, minute, s, 0, time.UTC)}
	}
	for in, want := range map[validity]profile.Validity{
		{365, "DAYS"}:                profile.Days(365),
		{13, "MONTHS"}:               {Months: 13},
		{2, "YEARS"}:                 {Years: 2},
		{1893456000, "ABSOLUTE"}:     end(2030, 1, 1, 0, 0, 0),
		{20301231235959, "END_DATE"}: end(2030, 12, 31, 23, 59, 59),
		{301231235959, "END_DATE"}:   end(2030, 12, 31, 23, 59, 59),
		{491231235959, "END_DATE"}:   end(2049, 12, 31, 23, 59, 59),
		{500101000000, "END_DATE"}:   end(1950, 1, 1, 0, 0, 0),
		{680229000000, "END_DATE"}:   end(1968, 2, 29, 0, 0, 0),
		{90102030405, "END_DATE"}:    end(2009, 1, 2, 3, 4, 5), // 09…, whose zero a number loses
		{99991231235959, "END_DATE"}: end(9999, 12, 31, 23, 59, 59),
	} {
		got, err := (&issueRequest{validity: &in}).life()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", in, err, diff)
		}
	}
	for _, in := range []validity{
		{366 * 1001, "DAYS"},
		{1 << 62, "MONTHS"},
		{1 << 40, "YEARS"},
		{253402300800, "ABSOLUTE"},
		{1 << 62, "ABSOLUTE"},
		{20301331000000, "END_DATE"},
		{1, "END_DATE"},
		{203012312359590, "END_DATE"},
		{301231246060, "END_DATE"},
	} {
		if got, err := (&issueRequest{validity: &in}).life(); fault.KindOf(err) != fault.InvalidArgument || err == nil {
			t.Errorf("%v is %v (%v)", in, got, err)
		}
	}
	days := validity{1, "DAYS"}
	got, err := (&issueRequest{validity: &days, notBefore: &validity{1800000000, "ABSOLUTE"}}).life()
	if err != nil || !got.NotBefore.Equal(time.Unix(1800000000, 0)) {
		t.Errorf("not before %v, %v", got.NotBefore, err)
	}
	if _, err := (&issueRequest{validity: &days, notBefore: &days}).life(); err == nil {
		t.Error("a certificate begins one day")
	}
}

// FuzzEndDate: a number is a time that is written the same way, or refused.
func FuzzEndDate(f *testing.F) {
	for _, n := range []int64{301231235959, 20301231235959, 90102030405, 1, 500101000000} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		v := validity{n, "END_DATE"}
		at, err := v.at()
		if err != nil {
			return
		}
		short, long := at.Format(layoutUTCTime), at.Format(layoutGeneralizedTime)
		for len(short) > 1 && short[0] == '0' {
			short = short[1:]
		}
		if digits := strconv.FormatInt(n, 10); short != digits && long != digits {
			t.Errorf("%s is %v", digits, at)
		}
	})
}
