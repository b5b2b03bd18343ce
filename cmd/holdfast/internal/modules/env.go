package modules

import (
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// surroundings are what the texts for applications speak of.
type surroundings struct {
	// Module is the path of p11-kit-client.so and Engine of OpenSSL's engine; ""
	// of what is not installed.
	Module string `json:"module,omitempty"`
	Engine string `json:"engine,omitempty"`
	Socket string `json:"socket"`
	// Address is the value of P11_KIT_SERVER_ADDRESS.
	Address string `json:"address"`
	// Token and Object are parts of PKCS #11 URIs.
	Token  string `json:"token"`
	Object string `json:"object"`
	label  string // the object's, as it is
}

// Where systems keep modules. The first is Debian's, the second Fedora's.
var (
	modulePlaces = [...]string{"/usr/lib/*/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/pkcs11", "/usr/local/lib/pkcs11", "/opt/homebrew/lib/pkcs11"}
	enginePlaces = [...]string{"/usr/lib/*/engines-3", "/usr/lib64/engines-3", "/usr/lib/engines-3", "/usr/local/lib/engines-3", "/opt/homebrew/lib/engines-3"}
)

// find returns the first file with a name that there is, or "".
func find(places []string, name string) string {
	for _, place := range places {
		if found, err := filepath.Glob(filepath.Join(place, name)); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// look looks around on this machine.
func look(socket, token, object string) (*surroundings, error) {
	if socket == "" {
		socket = defaultSocket()
	}
	if !filepath.IsAbs(socket) {
		return nil, terminal.Usagef("--socket %s is not an absolute path", socket)
	}
	return &surroundings{
		Module: find(modulePlaces[:], "p11-kit-client.so"), Engine: find(enginePlaces[:], "pkcs11.so"),
		Socket: socket, Address: address(socket), Token: attribute(token), Object: attribute(object), label: object,
	}, nil
}

// address writes a socket as p11-kit reads it: what may be special in it is
// percent-encoded.
func address(socket string) string {
	return "unix:path=" + strings.ReplaceAll(url.PathEscape(socket), "%2F", "/")
}

// attribute writes a value as in a PKCS #11 URI (RFC 7512 section 2.3).
func attribute(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

func (a *app) env() *cobra.Command {
	var socket, token, object, application string
	cmd := &cobra.Command{
		Use: "env", Short: "Print what to set for each program, so that it finds the keys", Args: cobra.NoArgs,
		Long: "Print what programs have to be told to use keys of \"holdfast pkcs11 serve\": variables, lines of\n" +
			"their configurations, commands. The paths are those of this machine.",
		Example: "  holdfast pkcs11 env\n  holdfast pkcs11 env --for nginx --token web --object web.example.com\n" +
			"  eval \"$(holdfast pkcs11 env --for shell)\"",
	}
	flags := cmd.Flags()
	flags.StringVar(&socket, "socket", "", "the agent's socket (default "+defaultSocketHelp+")")
	flags.StringVar(&token, "label", "holdfast", "the label of the token in the examples")
	flags.StringVar(&object, "object", "KEY", "the label of the key in the examples")
	flags.StringVar(&application, "for", "", "one program only: "+strings.Join(programNames(), ", "))
	terminal.Complete(cmd, "for", programNames())
	cmd.RunE = func(*cobra.Command, []string) error {
		if application != "" && !slices.Contains(programNames(), application) {
			return terminal.Usagef("--for %s is none of %s%s", application, strings.Join(programNames(), ", "), closest(application))
		}
		s, err := look(socket, token, object)
		if err != nil {
			return err
		}
		if s.Module == "" {
			_, _ = fmt.Fprintln(a.Err, "p11-kit-client.so is not installed: on Debian it is in p11-kit-modules, on Fedora in p11-kit-server; the texts have /path/to before it")
		}
		return a.print(s, application)
	}
	return cmd
}

func closest(word string) string {
	if c := terminal.Closest(word, programNames()); c != "" {
		return fmt.Sprintf("; did you mean %s?", c)
	}
	return ""
}

// print writes the texts for one program, or for all.
func (a *app) print(s *surroundings, application string) error {
	texts := map[string]string{}
	var b strings.Builder
	for _, p := range programs {
		if application != "" && p.name != application {
			continue
		}
		text := p.text(s)
		texts[p.name] = text
		if application == "" {
			fmt.Fprintf(&b, "# %s\n%s\n", p.title, text)
		} else {
			b.WriteString(text)
		}
	}
	if a.JSON {
		return a.Show(struct {
			*surroundings
			Programs map[string]string `json:"programs"`
		}{s, texts}, nil)
	}
	_, err := io.WriteString(a.Out, b.String())
	return err
}
