package aws

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// badBodies are bodies that are wrong for every operation: each must get an
// answer of the 4xx kind in the API's own form, or for an operation to which
// the field means nothing, its normal answer. None may get a 500, a panic's
// cut connection, or no answer.
var badBodies = map[string]string{
	"nothing":              "",
	"spaces":               "   ",
	"not JSON":             "<xml/>",
	"half an object":       `{"KeyId":`,
	"half a string":        `{"KeyId":"`,
	"a bare value":         `"KeyId"`,
	"null":                 `null`,
	"an array":             `[]`,
	"two objects":          `{}{}`,
	"rubbish behind":       `{} x`,
	"number as id":         `{"KeyId":7}`,
	"object as id":         `{"KeyId":{"a":"b"}}`,
	"null as id":           `{"KeyId":null}`,
	"empty id":             `{"KeyId":""}`,
	"id of a NUL":          `{"KeyId":"\u0000"}`,
	"id of 2,049":          `{"KeyId":"` + strings.Repeat("k", 2049) + `"}`,
	"half a surrogate":     `{"KeyId":"\ud800"}`,
	"not UTF-8":            "{\"KeyId\":\"\xff\xfe\"}",
	"bad escape":           `{"KeyId":"\q"}`,
	"a key twice":          `{"KeyId":"a","KeyId":"b"}`,
	"bad base64":           `{"KeyId":"alias/x","Plaintext":"!!!!","Message":"!!!!","CiphertextBlob":"!!!!","Mac":"!","Signature":"!"}`,
	"base64 not padded":    `{"KeyId":"alias/x","Plaintext":"QQ","Message":"QQ","CiphertextBlob":"QQ"}`,
	"huge number":          `{"NumberOfBytes":1e400,"Limit":1e400,"PendingWindowInDays":1e400,"RotationPeriodInDays":1e400}`,
	"fraction":             `{"NumberOfBytes":1.5,"Limit":1.5,"PendingWindowInDays":7.5}`,
	"negative":             `{"NumberOfBytes":-1,"Limit":-1,"PendingWindowInDays":-1,"RotationPeriodInDays":-90}`,
	"beyond int64":         `{"NumberOfBytes":99999999999999999999,"Limit":99999999999999999999}`,
	"word as number":       `{"NumberOfBytes":"ten","Limit":"ten"}`,
	"word as bool":         `{"DryRun":"yes","BypassPolicyLockoutSafetyCheck":"yes"}`,
	"array as context":     `{"KeyId":"alias/x","Plaintext":"QQ==","EncryptionContext":["a"]}`,
	"numbers as context":   `{"KeyId":"alias/x","Plaintext":"QQ==","EncryptionContext":{"a":1}}`,
	"object as tags":       `{"Tags":{"a":"b"},"TagKeys":{"a":"b"}}`,
	"null in tags":         `{"Tags":[null],"TagKeys":[null]}`,
	"deep nesting":         `{"Tags":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
	"deep nesting, open":   strings.Repeat(`{"a":`, 100_000),
	"unknown field":        `{"NoSuchField":1}`,
	"policy of null":       `{"KeyId":"alias/x","Policy":"null"}`,
	"policy of 200,000":    `{"KeyId":"alias/x","Policy":"` + strings.Repeat("p", 200_000) + `"}`,
	"body of 2 MB":         `{"KeyId":"` + strings.Repeat("k", 2<<20) + `"}`,
	"unsupported key spec": `{"KeySpec":"SM2","KeyUsage":"SIGN_VERIFY","Origin":"AWS_CLOUDHSM","CustomKeyStoreId":"cks-1","MultiRegion":true,"XksKeyId":"x"}`,
}

// TestBadBodies sends every bad body to every operation, correctly signed.
func TestBadBodies(t *testing.T) {
	tg, _ := setup(t)
	for operation := range all() {
		if operation == "GetCallerIdentity" {
			continue // another protocol: TestBadQueries
		}
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			for name, body := range badBodies {
				wellAnswered(t, name, tg.call(t, operation, body))
			}
		})
	}
}

// wellAnswered checks that an answer is one: success, or an error with a code.
func wellAnswered(t *testing.T, name string, a answer) {
	t.Helper()
	switch {
	case a.status == http.StatusOK:
	case a.status >= 400 && a.status < 500 && a.code != "":
	case a.status == http.StatusRequestEntityTooLarge:
	default:
		t.Errorf("%s: %d %.200s", name, a.status, a.body)
	}
}

// TestBadTargets: operations that are none, or not ours.
func TestBadTargets(t *testing.T) {
	tg, _ := setup(t)
	for _, operation := range []string{
		"", "NoSuchOperation", "createkey", "Create Key", "CreateKey.CreateKey", strings.Repeat("A", 4000), "Créer", "ImportKeyMaterial", "CreateGrant", "ReplicateKey",
	} {
		t.Run(fmt.Sprintf("%.30q", operation), func(t *testing.T) {
			a := tg.call(t, operation, `{}`)
			if wellAnswered(t, operation, a); a.status == http.StatusOK {
				t.Errorf("answered with %s", a.body)
			}
		})
	}
}

// TestBadQueries: the query protocol of STS.
func TestBadQueries(t *testing.T) {
	tg, _ := setup(t)
	for _, form := range []string{
		"", "Action", "Action=", "Action=NoSuch&Version=2011-06-15", "Action=GetCallerIdentity&Version=1999-01-01", "Action=GetCallerIdentity", "%zz=1", "Action=%00",
		"Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15", "Version=2011-06-15", strings.Repeat("a=b&", 5000),
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tg.url+"/", strings.NewReader(form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		if a := tg.send(t, req); a.status < 400 || a.status >= 500 {
			t.Errorf("unsigned %.40q: %d %s", form, a.status, a.body)
		}
	}
}

// TestBadHTTP: requests below the API. The server answers or closes, in time,
// and serves the next client.
func TestBadHTTP(t *testing.T) {
	tg, c := setup(t)
	onlyOurs(t, tg)
	u, err := url.Parse(tg.url)
	if err != nil {
		t.Fatal(err)
	}
	host := "\r\nHost: " + u.Host + "\r\n"
	for name, raw := range map[string]string{
		"not HTTP":           "\x00\x01\x02\r\n\r\n",
		"no length":          "POST / HTTP/1.1" + host + "X-Amz-Target: TrentService.ListKeys\r\n\r\n",
		"length lies, short": "POST / HTTP/1.1" + host + "Content-Length: 1\r\nConnection: close\r\n\r\n{}",
		"length not one":     "POST / HTTP/1.1" + host + "Content-Length: -1\r\n\r\n",
		"two lengths":        "POST / HTTP/1.1" + host + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"chunks of nonsense": "POST / HTTP/1.1" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"a header of 2 MB":   "POST / HTTP/1.1" + host + "X-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"a GET":              "GET / HTTP/1.1" + host + "\r\n",
		"a DELETE":           "DELETE /x/y HTTP/1.1" + host + "\r\n",
		"a path upwards":     "POST /../../etc/passwd HTTP/1.1" + host + "Content-Length: 0\r\n\r\n",
		"a long path":        "GET /" + strings.Repeat("a/", 4000) + " HTTP/1.1" + host + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if reply := exchange(t, tg, u.Host, raw); bytes.HasPrefix(reply, []byte("HTTP/1.1 5")) || bytes.HasPrefix(reply, []byte("HTTP/1.1 2")) {
				t.Errorf("answered %.100q", reply)
			}
		})
	}
	newKey(t, c, "", "")
}

// exchange writes raw bytes over TLS and returns what comes back until the
// server closes or has been quiet for a second.
func exchange(t *testing.T, tg *target, address, raw string) []byte {
	t.Helper()
	transport, ok := tg.http.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the test's client has no transport of its own")
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: transport.TLSClientConfig}
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server may have closed it first
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, raw) // the server may close before it has read all
	reply, _ := io.ReadAll(io.LimitReader(conn, 4096))
	return reply
}
