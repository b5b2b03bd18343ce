package agent

import (
	"strings"
	"testing"
	"time"
)

// TestParseRefuses holds that what is wrong with a configuration is told by
// its place.
func TestParseRefuses(t *testing.T) {
	const head = "server: {url: https://localhost:1}\n"
	one := func(more string) string {
		return head + "certificates:\n  - name: web\n    managed: m\n    files: [{path: /x}]\n" + more
	}
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":          {head + "certs: []\n", "line 2: field certs not found"},
		"an unknown key inside":   {one("    chek: {}\n"), "line 6: field chek not found"},
		"no certificate":          {head, "certificates: there are 1 to"},
		"no server":               {"certificates: []\n", "server.url: it is missing"},
		"two sources":             {one("    request: {authority: a, profile: p, names: [x]}\n"), "exactly one of managed and request"},
		"no source":               {head + "certificates: [{name: web, files: [{path: /x}]}]\n", "exactly one of managed and request"},
		"a name with a slash":     {head + "certificates: [{name: a/b, managed: m, files: [{path: /x}]}]\n", "certificates[0].name"},
		"a relative path":         {head + "certificates: [{name: a, managed: m, files: [{path: x}]}]\n", "is not absolute, and the certificate has no dir"},
		"a path that climbs":      {head + "certificates: [{name: a, managed: m, dir: /d, files: [{path: ../x}]}]\n", "is not the name of a file"},
		"a path not clean":        {head + "certificates: [{name: a, managed: m, files: [{path: /d/../x}]}]\n", "is no path of a file"},
		"one path twice":          {head + "certificates: [{name: a, managed: m, files: [{path: /x}, {path: /x}]}]\n", "/x is written to twice"},
		"an open key":             {head + "certificates: [{name: a, managed: m, files: [{path: /x, content: key, mode: 0644}]}]\n", "lets more than the owner"},
		"a mode":                  {head + "certificates: [{name: a, managed: m, files: [{path: /x, mode: 0999}]}]\n", "line 2: \"0999\" is no mode"},
		"a store without secret":  {head + "certificates: [{name: a, managed: m, files: [{path: /x, format: jks}]}]\n", "pkcs12 and jks need one"},
		"an unknown format":       {head + "certificates: [{name: a, managed: m, files: [{path: /x, format: der}]}]\n", "is none of pem, pkcs12 and jks"},
		"a shell's command":       {one("    reload: {command: [systemctl reload nginx]}\n"), "is not the absolute path of a program"},
		"a reload of both kinds":  {one("    reload: {command: [/bin/true], pid_file: /x}\n"), "a command, or a signal and a pid_file"},
		"a signal nobody sends":   {one("    reload: {signal: KILL, pid_file: /x}\n"), "is none of HUP"},
		"an address without port": {one("    check: {address: localhost}\n"), "is not host:port"},
		"a time":                  {one("poll: soon\n"), "line 6: \"soon\" is no time"},
		"half a credential":       {"server: {url: https://localhost:1, access_key_id: A}\n", "go together"},
		"two credentials":         {"server: {url: u, access_key_id: A, secret_access_key_file: f, client_certificate: c, client_key: k}\n", "exclude each other"},
		"an unknown key type":     {head + "certificates: [{name: a, request: {authority: a, profile: p, names: [x], key: DSA}, files: [{path: /x}]}]\n", "is none of ECC_NIST_P256"},
		"a share":                 {head + "certificates: [{name: a, request: {authority: a, profile: p, names: [x], renew: {share: 2}}, files: [{path: /x}]}]\n", "it is between 0 and 1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q in it", err, c.want)
			}
		})
	}
}

// FuzzParse holds that what is accepted is complete, and that nothing panics.
func FuzzParse(f *testing.F) {
	f.Add("server: {url: https://localhost:1}\ncertificates:\n" + strings.ReplaceAll(inDir, "DIR", "/d"))
	f.Add("server: {url: https://localhost:1}\npoll: 30d\ncertificates:\n" + strings.ReplaceAll(requested, "DIR", "/d"))
	f.Add(strings.ReplaceAll(everywhere, "DIR", "/d"))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text))
		if err != nil {
			return
		}
		if c.Poll <= 0 || c.Host == "" || len(c.Certificates) == 0 {
			t.Errorf("accepted: %+v", c)
		}
		for _, crt := range c.Certificates {
			for _, file := range crt.Files {
				if file.Mode == 0 || file.secret() && file.Mode&0o007 != 0 {
					t.Errorf("accepted: %+v", file)
				}
			}
		}
	})
}

// FuzzMaterial holds that what is kept of a certificate is read back the same.
func FuzzMaterial(f *testing.F) {
	s := newSource(time.Now)
	s.renew()
	m := must(fromPEM(s.current.cert, s.chain(), s.current.key))
	f.Add(m.encode())
	f.Add([]byte(s.current.cert))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := decodeMaterial(text)
		if err != nil {
			return
		}
		again, err := decodeMaterial(m.encode())
		if err != nil || string(again.encode()) != string(m.encode()) {
			t.Errorf("read back another way: %v", err)
		}
	})
}
