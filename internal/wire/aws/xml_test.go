package aws_test

import (
	"encoding/xml"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// TestXML has every kind of element, in the one form that clients read.
func TestXML(t *testing.T) {
	var e aws.XMLEncoder
	e.Reset(nil)
	e.Text("Text", "<&>")
	e.Bool("Bool", true)
	e.Int("Int", -3)
	e.Float("Float", 0.25)
	e.Time("Time", time.Date(2026, 11, 23, 13, 0, 0, 5e8, time.FixedZone("", 3600)))
	e.Texts("Texts", []string{"a", "b"})
	e.List("List", 2, func(i int) { e.Int("Number", i) })
	e.Map("Map", 1, func(int) (string, string) { return "k", "v" })
	e.List("Empty", 0, nil)
	const want = `<DoResponse xmlns="https://x/">
<DoResult>
<Text>&lt;&amp;&gt;</Text>
<Bool>true</Bool>
<Int>-3</Int>
<Float>0.25</Float>
<Time>2026-11-23T12:00:00.500Z</Time>
<Texts>
<member>a</member>
<member>b</member>
</Texts>
<List>
<member>
<Number>0</Number>
</member>
<member>
<Number>1</Number>
</member>
</List>
<Map>
<entry>
<key>k</key>
<value>v</value>
</entry>
</Map>
<Empty>
</Empty>
</DoResult>
<ResponseMetadata>
<RequestId>id</RequestId>
</ResponseMetadata>
</DoResponse>
`
	got := e.Result("Do", "https://x/", "id")
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := xml.Unmarshal(got, new(struct{ XMLName xml.Name })); err != nil {
		t.Error(err)
	}
}
