package aws_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// form is a request with everything that a Query request can have.
type form struct {
	Text     string
	Texts    []string
	Flag     *bool
	Number   int
	Float    float64
	At       time.Time
	Blob     []byte
	Structs  []inner
	Pairs    []aws.Pair
	Entries  []aws.Pair
	Struct   string
	Enum     string
	Short    string
	Required string
}

type inner struct {
	Name string
	List []string
}

func readForm(p *aws.Params) form {
	f := form{
		Text: p.Text("Text"), Texts: p.List("Texts"), Flag: p.Flag("Flag"), Number: p.Int("Number", 1, 10), At: p.Time("At"),
		Blob: p.Blob("Blob"), Pairs: p.Map("Pairs"), Enum: p.OneOf("Enum", []string{"a", "b"}), Short: p.Length("Short", 2, 3),
		Required: p.Required("Required"),
	}
	f.Float, _ = p.Float("Float")
	for _, s := range p.Structs("Structs") {
		f.Structs = append(f.Structs, inner{s.Text("Name"), s.List("List")})
	}
	for _, e := range p.Entries("Entries", "Name", "Value") {
		f.Entries = append(f.Entries, aws.Pair{Key: e.Key, Value: e.Value.Text("Text")})
	}
	if s, ok := p.Struct("Struct"); ok {
		f.Struct = s.Text("Inner")
	}
	return f
}

// TestParams reads every kind of parameter.
func TestParams(t *testing.T) {
	values, err := url.ParseQuery("Action=Test&Version=2010-03-31&Required=&Text=a%26b&Texts.member.1=x&Texts.member.2=y&Flag=false&Number=7" +
		"&Float=1.5e3&At=2026-11-23T12:00:00.5Z&Blob=AQI%3D&Structs.member.1.Name=n&Structs.member.1.List.member.1=l&Structs.member.2.Name=o" +
		"&Pairs.entry.1.key=k&Pairs.entry.1.value=v&Entries.entry.1.Name=e&Entries.entry.1.Value.Text=t&Struct.Inner=i&Enum=b&Short=abc")
	if err != nil {
		t.Fatal(err)
	}
	p := aws.NewParams(values)
	no := false
	want := form{
		Text: "a&b", Texts: []string{"x", "y"}, Flag: &no, Number: 7, Float: 1500, At: time.Date(2026, 11, 23, 12, 0, 0, 5e8, time.UTC),
		Blob: []byte{1, 2}, Structs: []inner{{"n", []string{"l"}}, {"o", []string{}}}, Pairs: []aws.Pair{{Key: "k", Value: "v"}},
		Entries: []aws.Pair{{Key: "e", Value: "t"}}, Struct: "i", Enum: "b", Short: "abc",
	}
	if diff := cmp.Diff(want, readForm(p)); diff != "" || p.Err() != nil {
		t.Errorf("%v (-want +got)\n%s", p.Err(), diff)
	}
	if !p.Has("Texts") || p.Has("Absent") {
		t.Error("Has is wrong")
	}
}

// TestParamsRefused has what is said of parameters that are wrong or not known.
func TestParamsRefused(t *testing.T) {
	const known = "Required=r&"
	tests := []struct{ form, want string }{
		{"", "1 validation error detected: Value null at 'required' failed to satisfy constraint: Member must not be null"},
		{known + "Number=0", "1 validation error detected: Value '0' at 'number' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{known + "Number=11", "1 validation error detected: Value '11' at 'number' failed to satisfy constraint: Member must have value less than or equal to 10"},
		{known + "Enum=c&Short=a", "2 validation errors detected: Value 'c' at 'enum' failed to satisfy constraint: Member must satisfy enum value set: [a, b]; " +
			"Value 'a' at 'short' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{known + "Pairs.entry.1.key=k", "1 validation error detected: Value null at 'pairs.entry.1.value' failed to satisfy constraint: Member must not be null"},
		{known + "Number=x", "The parameter 'Number' must be an integer."},
		{known + "Float=NaN", "The parameter 'Float' must be a number."},
		{known + "Flag=True", "The parameter 'Flag' must be true or false."},
		{known + "At=today", "The parameter 'At' must be a time such as 2026-11-23T12:00:00Z."},
		{known + "Blob=!", "The parameter 'Blob' must be base64."},
		{known + "Text=a&Text=b", "The parameter 'Text' must be there once, be UTF-8, and have a name of at most 16 parts."},
		{known + "Text=%ff", "The parameter 'Text' must be there once, be UTF-8, and have a name of at most 16 parts."},
		{known + strings.Repeat("a.", 16) + "=1", "The parameter 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.' must be there once, be UTF-8, and have a name of at most 16 parts."},
		{known + "Texts.member.1.Name=x", "The parameter 'Texts' must be a list of texts."},
		{known + "Pairs.entry.1.key=k&Pairs.entry.1.value=v&Pairs.entry.2.key=k&Pairs.entry.2.value=v", "The parameter 'Pairs' must be a map whose keys are there once."},
		{known + "Other=1", "Holdfast does not support the parameter 'Other'."},
		{known + "Structs.member.1.Other=1", "Holdfast does not support the parameter 'Structs.member.1.Other'."},
		{known + "Texts.member.2=x", "Holdfast does not support the parameter 'Texts.member.2'."},
		{known + "Texts=x", "Holdfast does not support the parameter 'Texts'."},
		{known + "Texts=", ""},
	}
	for _, test := range tests {
		values, err := url.ParseQuery(test.form)
		if err != nil {
			t.Fatal(err)
		}
		p := aws.NewParams(values)
		readForm(p)
		got := ""
		if err := p.Err(); err != nil {
			got = aws.FaultOf(err).Public
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.form, got, test.want)
		}
	}
}

// FuzzParams holds that a request that is accepted was read whole: written
// again from what was read, it is the same.
func FuzzParams(f *testing.F) {
	f.Add("Required=r&Text=a&Texts.member.1=x&Structs.member.1.Name=n&Structs.member.1.List.member.1=l")
	f.Add("Required=r&Pairs.entry.1.key=k&Pairs.entry.1.value=v&Entries.entry.1.Name=e&Entries.entry.1.Value.Text=t")
	f.Add("Required=r&Texts.member.2=x&Text.member.1=1&Structs.member.01.Name=n")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p := aws.NewParams(values)
		texts, structs := p.List("Texts"), p.Structs("Structs")
		back := map[string]string{}
		put := func(name, value string, had bool) {
			if had {
				back[name] = value
			}
		}
		for _, name := range []string{"Action", "Version", "Text", "Required"} {
			put(name, p.Text(name), values.Has(name))
		}
		for i, text := range texts {
			back["Texts.member."+strconv.Itoa(i+1)] = text
		}
		for i, s := range structs {
			at := "Structs.member." + strconv.Itoa(i+1) + "."
			put(at+"Name", s.Text("Name"), values.Has(at+"Name"))
			for j, text := range s.List("List") {
				back[at+"List.member."+strconv.Itoa(j+1)] = text
			}
		}
		for i, pair := range p.Map("Pairs") {
			at := "Pairs.entry." + strconv.Itoa(i+1) + "."
			back[at+"key"], back[at+"value"] = pair.Key, pair.Value
		}
		if p.Err() != nil {
			return
		}
		got := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			empty := (name == "Texts" || name == "Structs" || name == "Pairs" || strings.HasSuffix(name, ".List")) && values.Get(name) == ""
			if !empty {
				got[name] = values.Get(name)
			}
		}
		if diff := cmp.Diff(got, back); diff != "" {
			t.Fatalf("%q (-sent +read)\n%s", query, diff)
		}
	})
}

// TestOpen: an open operation is served to who proves nothing, as anonymous; a
// signature that is there has to be right; other operations stay closed.
func TestOpen(t *testing.T) {
	w := newWorld()
	serve := func(_ context.Context, x *aws.Exchange, _ struct{}) error {
		w.served = append(w.served, x.Call)
		return nil
	}
	h := aws.New(aws.Config{
		Directory: w, Door: w, Now: func() time.Time { return now },
		Services: []aws.Service{{
			API: "aws.test", Scope: "test", Version: "2010-03-31", Explain: aws.ExplainShared,
			Operations: []aws.Operation{
				aws.Query("Open", key.ConfirmSubscription, aws.NoParams, serve).Unsigned(),
				aws.Query("Closed", key.ListTopics, aws.NoParams, serve),
			},
		}},
	})
	send := func(query string, by *sigv4.Credentials) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/?"+query, nil)
		if by != nil {
			sigv4.Sign(r, nil, *by, "us-east-1", "test", now)
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		return answer.Code
	}
	wrong := long
	wrong.Secret = "x"
	for _, test := range []struct {
		query string
		by    *sigv4.Credentials
		want  string // the caller's kind, "" for a refusal
	}{
		{"Action=Open", nil, "anonymous"},
		{"Action=Open&Version=2010-03-31", nil, "anonymous"},
		{"Action=Open&Version=2010-03-31", &long, "user"},
		{"Action=Open&Version=2010-03-31", &wrong, ""},
		{"Action=Open&Version=2010-03-31&Other=1", nil, ""},
		{"Action=Closed&Version=2010-03-31", nil, ""},
		{"Action=Closed", nil, ""},
	} {
		w.served = nil
		code := send(test.query, test.by)
		got := ""
		if len(w.served) == 1 {
			got = string(w.served[0].Caller.Principal.Kind)
		}
		if got != test.want || (code == http.StatusOK) != (got != "") {
			t.Errorf("%s by %v: %d, served to %q, want %q", test.query, test.by != nil, code, got, test.want)
		}
	}
}
