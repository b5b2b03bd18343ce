package ceremony

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// player is a Person who says yes, until told otherwise.
type player struct {
	t     *testing.T
	stop  int // at which confirmation to say no; 0 for never
	yes   int
	heard strings.Builder
}

func (p *player) Tell(line string) error {
	p.heard.WriteString(line + "\n")
	return nil
}

func (p *player) Ask(question string) (string, error) {
	if name, ok := strings.CutPrefix(question, "Witness "); ok {
		name, _, _ = strings.Cut(name, ",")
		return name, nil
	}
	if listening := listeners(p.t); len(listening) > 0 {
		p.t.Errorf("there is a listener during the ceremony: %v", listening)
	}
	if p.yes++; p.yes == p.stop {
		return "no", nil
	}
	return "yes", nil
}

func (p *player) Secret(string) ([]byte, error) { return []byte("correct horse battery staple"), nil }

// listeners returns the sockets of this process that listen.
func listeners(t *testing.T) (all []string) {
	t.Helper()
	own := map[string]bool{}
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(descriptors) == 0 {
		t.Fatalf("the process's files cannot be listed: %v", err)
	}
	for _, d := range descriptors {
		if target, err := os.Readlink(d); err == nil && strings.HasPrefix(target, "socket:[") {
			own[strings.TrimSuffix(strings.TrimPrefix(target, "socket:["), "]")] = true
		}
	}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue // a machine without this protocol
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == "0A" && own[f[9]] {
				all = append(all, f[1])
			}
		}
	}
	return all
}

// stage is a script with its input, in a folder of its own.
func stage(t *testing.T, script string) Options {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "Example Issuing"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "issuing.csr"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}))
	write(t, filepath.Join(dir, "script.yaml"), []byte(script))
	return Options{Script: filepath.Join(dir, "script.yaml"), Dir: filepath.Join(dir, "stick"), Version: "test", Person: &player{t: t}}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// quick is the good script without a passphrase, which costs time on purpose.
func quick() string { return strings.Replace(good, "initialise: {}", "initialise: {seal: file}", 1) }

func conducted(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A whole ceremony: nothing listens meanwhile, and the transcript verifies.
func TestRun(t *testing.T) {
	o := stage(t, quick())
	r := conducted(t, o)
	report, err := Verify(r.Transcript, read(t, filepath.Join(r.Directory, "root.pem")))
	if err != nil {
		t.Fatal(err)
	}
	if report.Steps != 5 || len(report.Checked) != 3 || len(report.Missing) != 0 || report.SHA256 != r.SHA256 || report.Rehearsal {
		t.Errorf("the report is %+v", report)
	}
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "is over") {
		t.Errorf("the ceremony goes on after its end: %v", err)
	}
	if !bytes.Equal(read(t, filepath.Join(r.Directory, scriptFile)), read(t, o.Script)) {
		t.Error("the folder has another script")
	}
}

// Wherever a ceremony stops, it goes on there, and ends as if it had not.
func TestResume(t *testing.T) {
	for stop := 1; stop <= 6; stop++ {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			o := stage(t, quick())
			o.Person = &player{t: t, stop: stop}
			if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "not confirmed") {
				t.Fatalf("stopped at %d: %v", stop, err)
			}
			p := &player{t: t}
			o.Person = p
			r := conducted(t, o)
			report, err := Verify(r.Transcript, read(t, filepath.Join(r.Directory, "root.pem")))
			if err != nil || report.Interrupted != 1 || report.Steps != 5 {
				t.Errorf("%+v, %v", report, err)
			}
			if want := 7 - stop; p.yes != want {
				t.Errorf("%d steps were confirmed after the interruption, want %d", p.yes, want)
			}
		})
	}
}

// What must not be gone on with.
func TestResumeRefuses(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, o *Options, folder string)
		want   string
	}{
		{"another script", func(t *testing.T, o *Options, _ string) {
			write(t, o.Script, []byte(strings.Replace(quick(), "days: 1825", "days: 1826", 1)))
		}, "another script"},
		{"another output", func(t *testing.T, _ *Options, folder string) {
			write(t, filepath.Join(folder, "root.pem"), []byte("another"))
		}, "not the one that the step made"},
		{"a changed transcript", func(t *testing.T, _ *Options, folder string) {
			path := filepath.Join(folder, transcriptFile)
			write(t, path, bytes.Replace(read(t, path), []byte("Wanda"), []byte("Wilma"), 1))
		}, "does not follow the line before it"},
		{"no data directory", func(t *testing.T, o *Options, _ string) {
			if err := os.RemoveAll(filepath.Join(o.Dir, dataFolder)); err != nil {
				t.Fatal(err)
			}
		}, "is not a data directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := stage(t, quick())
			o.Person = &player{t: t, stop: 4}
			if _, err := Run(context.Background(), o); err == nil {
				t.Fatal("it did not stop")
			}
			tt.damage(t, &o, filepath.Join(o.Dir, "example-root"))
			o.Person = &player{t: t}
			if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// A line that a power cut left half written is cut off and told of.
func TestTornLine(t *testing.T) {
	o := stage(t, quick())
	o.Person = &player{t: t, stop: 4}
	if _, err := Run(context.Background(), o); err == nil {
		t.Fatal("it did not stop")
	}
	path := filepath.Join(o.Dir, "example-root", transcriptFile)
	write(t, path, append(read(t, path), `{"n":12,"event":"st`...))
	o.Person = &player{t: t}
	r := conducted(t, o)
	if text := string(read(t, r.Transcript)); !strings.Contains(text, `"bytes of an unfinished line that were cut off","value":"19"`) {
		t.Error("the transcript does not tell of the line that was cut off")
	}
}

// A directory with something else in it, and a ceremony without a person.
func TestRunRefuses(t *testing.T) {
	o := stage(t, quick())
	write(t, filepath.Join(filepath.Dir(o.Script), "other"), nil)
	o.Dir = filepath.Dir(o.Script)
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "no ceremony's") {
		t.Errorf("a directory with other files: %v", err)
	}
	o.Unattended = true
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "only a rehearsal") {
		t.Errorf("no person: %v", err)
	}
	o = stage(t, strings.Replace(quick(), "csr: issuing.csr", "csr_sha256: "+strings.Repeat("0", 64)+", csr: issuing.csr", 1))
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "not the one that the script has") {
		t.Errorf("another request: %v", err)
	}
}

// forge rewrites the events of a transcript so that the chain holds.
func forge(t *testing.T, text []byte, change func([]Event) []Event) []byte {
	t.Helper()
	events, _, err := parseTranscript(text)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	previous := ""
	for i, e := range change(events) {
		e.Number, e.Previous = i+1, previous
		line, err := json.Marshal(&e)
		if err != nil {
			t.Fatal(err)
		}
		previous = hexDigest(line)
		out = append(append(out, line...), '\n')
	}
	return out
}

// A transcript that anybody changed is refused, also by who mends the chain.
func TestVerifyRefuses(t *testing.T) {
	r := conducted(t, stage(t, quick()))
	root, text := read(t, filepath.Join(r.Directory, "root.pem")), read(t, r.Transcript)
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines = lines[:len(lines)-1]
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	n := len(lines)
	tests := []struct {
		name string
		text []byte
		want string
	}{
		{"nothing", nil, "is not signed"},
		{"no end", text[:len(text)-1], "has no end"},
		{"cut off before the signature", join(lines[:n-1]...), "is not signed"},
		{"a line removed", join(join(lines[:3]...), join(lines[4:]...)), "does not follow"},
		{"two lines in another order", join(join(lines[:3]...), lines[4], lines[3], join(lines[5:]...)), "does not follow"},
		{"a line behind the signature", join(text, lines[n-1]), "does not follow"},
		{"a space put in", bytes.Replace(text, []byte(`"n":3,`), []byte(`"n":3, `), 1), "is none of"},
		{"a member put in", bytes.Replace(text, []byte(`{"n":3,`), []byte(`{"x":1,"n":3,`), 1), "is none of"},
		{"another witness, the chain mended", forge(t, text, func(e []Event) []Event {
			e[1].Facts[0].Value = "Eve Dropper"
			return e
		}), "signature is wrong"},
		{"a step left out, the chain mended", forge(t, text, func(e []Event) []Event { return append(e[:6:6], e[8:]...) }), "signature is wrong"},
		{"a lock left out, the chain mended", forge(t, text, func(e []Event) []Event { return append(e[:n-2:n-2], e[n-1]) }), "signature is wrong"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), transcriptFile)
			write(t, path, tt.text)
			if _, err := Verify(path, root); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Whoever has a certificate of the same root, but not the one for transcripts,
// signs none; nor does another root vouch for it.
func TestVerifyRefusesSigners(t *testing.T) {
	first, second := conducted(t, stage(t, quick())), conducted(t, stage(t, quick()))
	root := read(t, filepath.Join(first.Directory, "root.pem"))
	if _, err := Verify(second.Transcript, root); err == nil || !strings.Contains(err.Error(), "not certified by") {
		t.Errorf("another root: %v", err)
	}
	text := read(t, first.Transcript)
	events, _, err := parseTranscript(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, certificate := range map[string][]byte{"the root itself": root, "an authority": read(t, filepath.Join(first.Directory, "issuing.pem"))} {
		path := filepath.Join(t.TempDir(), transcriptFile)
		write(t, path, forge(t, text, func(e []Event) []Event {
			e[len(events)-1].Certificate = string(certificate)
			return e
		}))
		if _, err := Verify(path, root); err == nil || !strings.Contains(err.Error(), "not one for transcripts") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What parses as a transcript is written again just so.
func FuzzTranscript(f *testing.F) {
	w, err := openWriter(filepath.Join(f.TempDir(), transcriptFile), fixedClock)
	if err != nil {
		f.Fatal(err)
	}
	begin := &Event{Event: eventBegin, Facts: []Fact{{factFormat, Format}}}
	if err := errors.Join(w.add(begin), w.add(&Event{Event: eventDone, Step: 1, Files: []File{fileOf(roleOutput, "a", nil)}}), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(w.text)
	f.Add(bytes.Replace(w.text, []byte("begin"), []byte("done"), 1))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		events, last, err := parseTranscript(text)
		if err != nil || len(events) == 0 {
			return
		}
		var again []byte
		for i := range events {
			if i == len(events)-1 && len(again) != last {
				t.Errorf("the last line begins at %d, not at %d", len(again), last)
			}
			line, err := json.Marshal(&events[i])
			if err != nil {
				t.Fatal(err)
			}
			again = append(append(again, line...), '\n')
		}
		if !bytes.Equal(again, text) {
			t.Errorf("%q came back as %q", text, again)
		}
	})
}
