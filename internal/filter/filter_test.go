package filter_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/filter"
)

// TestWants has what each operator lets through.
func TestWants(t *testing.T) {
	const (
		order = `{"kind":"order","total":150.0,"paid":true,"note":null,"tags":["a","b"],"empty":[],"at":{"city":"Köln","zip":50667},"lines":[{"sku":"x"},{"sku":"y"}]}`
	)
	tests := []struct {
		filter string
		want   bool
	}{
		{`{"kind":["order"]}`, true},
		{`{"kind":["Order"]}`, false},
		{`{"kind":["invoice","order"]}`, true},
		{`{"kind":["order"],"total":[1]}`, false},
		{`{"total":[150]}`, true},
		{`{"total":["150"]}`, false},
		{`{"paid":[true]}`, true},
		{`{"paid":[false,null]}`, false},
		{`{"note":[null]}`, true},
		{`{"tags":["b"]}`, true},
		{`{"tags":["c"]}`, false},
		{`{"kind":[{"prefix":"ord"}]}`, true},
		{`{"kind":[{"prefix":"der"}]}`, false},
		{`{"kind":[{"suffix":"der"}]}`, true},
		{`{"kind":[{"equals-ignore-case":"ORDER"}]}`, true},
		{`{"total":[{"prefix":"1"}]}`, false},
		{`{"kind":[{"anything-but":["invoice"]}]}`, true},
		{`{"kind":[{"anything-but":"order"}]}`, false},
		{`{"kind":[{"anything-but":{"prefix":"ord"}}]}`, false},
		{`{"total":[{"anything-but":[150]}]}`, false},
		{`{"tags":[{"anything-but":["a"]}]}`, true}, // b is another one
		{`{"other":[{"anything-but":["a"]}]}`, false},
		{`{"total":[{"numeric":["=",1.5e2]}]}`, true},
		{`{"total":[{"numeric":[">",150]}]}`, false},
		{`{"total":[{"numeric":[">=",150]}]}`, true},
		{`{"total":[{"numeric":[">",0,"<=",150]}]}`, true},
		{`{"total":[{"numeric":[">",0,"<",150]}]}`, false},
		{`{"kind":[{"numeric":[">",0]}]}`, false},
		{`{"kind":[{"exists":true}]}`, true},
		{`{"kind":[{"exists":false}]}`, false},
		{`{"other":[{"exists":false}]}`, true},
		{`{"other":[{"exists":true}]}`, false},
		{`{"empty":[{"exists":false}]}`, true},
		{`{"at":{"city":["Köln"]}}`, true},
		{`{"at":{"zip":[{"numeric":["<",50000]}]}}`, false},
		{`{"at":["Köln"]}`, false},
		{`{"kind":{"of":["x"]}}`, false},
		{`{"lines":{"sku":["y"]}}`, true},
		{`{"lines":{"sku":["z"]}}`, false},
	}
	value, err := filter.JSON(order)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		f, err := filter.Parse(test.filter, true)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		if got := f.Wants(value.(map[string]any)); got != test.want {
			t.Errorf("%s: %v", test.filter, got)
		}
	}
}

// TestRefused has what is no filter.
func TestRefused(t *testing.T) {
	tests := []struct {
		text   string
		bodies bool
		want   fault.Kind
	}{
		{``, false, fault.InvalidArgument},
		{`{"a":["b"]} {}`, false, fault.InvalidArgument},
		{`[]`, false, fault.InvalidArgument},
		{`{}`, false, fault.InvalidArgument},
		{`{"a":"b"}`, false, fault.InvalidArgument},
		{`{"a":{"b":["c"]}}`, false, fault.InvalidArgument},
		{`{"a":[]}`, false, fault.InvalidArgument},
		{`{"a":[["b"]]}`, false, fault.InvalidArgument},
		{`{"a":[{"prefix":"x","suffix":"y"}]}`, false, fault.InvalidArgument},
		{`{"a":[{"prefix":1}]}`, false, fault.InvalidArgument},
		{`{"a":[{"prefix":""}]}`, false, fault.InvalidArgument},
		{`{"a":[{"exists":"true"}]}`, false, fault.InvalidArgument},
		{`{"a":[{"anything-but":[]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"anything-but":[true]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"anything-but":{"exists":true}}]}`, false, fault.InvalidArgument},
		{`{"a":[{"numeric":[]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"numeric":["=",1,"<",2]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"numeric":["<",1,">",2]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"numeric":["!",1]}]}`, false, fault.InvalidArgument},
		{`{"a":[{"cidr":"10.0.0.0/8"}]}`, false, fault.Unsupported},
		{`{"a":[{"wildcard":"*x"}]}`, false, fault.Unsupported},
		{`{"$or":[{"a":["b"]},{"c":["d"]}]}`, false, fault.Unsupported},
		{`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`, false, fault.LimitExceeded},
		{`{"a":[` + strings.Repeat(`"1",`, 150) + `"1"]}`, false, fault.LimitExceeded},
		{strings.Repeat(`{"a":`, 9) + `["b"]` + strings.Repeat("}", 9), true, fault.InvalidArgument},
		{`{"a":["` + strings.Repeat("x", 256<<10) + `"]}`, false, fault.InvalidArgument},
	}
	for _, test := range tests {
		if _, err := filter.Parse(test.text, test.bodies); err == nil || fault.KindOf(err) != test.want {
			t.Errorf("%.100s: %v, want %s", test.text, err, test.want)
		}
	}
}

// FuzzParse holds that a filter that is one on attributes, too, lets the same
// through there.
func FuzzParse(f *testing.F) {
	f.Add(`{"a":["b",{"prefix":"c"}]}`, `{"a":"b"}`)
	f.Add(`{"a":[{"numeric":[">",0,"<",5]}]}`, `{"a":3}`)
	f.Add(`{"a":{"b":[{"anything-but":["x"]}]}}`, `{"a":[{"b":"y"}]}`)
	f.Add(`{"a":[{"exists":false}]}`, `{}`)
	f.Fuzz(func(t *testing.T, text, body string) {
		on, err := filter.Parse(text, true)
		if err != nil {
			return
		}
		value, err := filter.JSON(body)
		members, ok := value.(map[string]any)
		if err != nil || !ok {
			return
		}
		attributes, err := filter.Parse(text, false)
		if err == nil && attributes.Wants(members) != on.Wants(members) {
			t.Errorf("%s on %s: another answer on attributes", text, body)
		}
	})
}
