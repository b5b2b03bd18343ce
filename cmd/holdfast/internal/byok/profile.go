package byok

import (
	"fmt"
	"strings"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// connectTo returns a client of the server whose variables a file has, or
// without one of the server that the flags name.
func (a *app) connectTo(profile string) (*client.Client, error) {
	if profile == "" {
		return a.Connect()
	}
	text, err := a.Read(profile, terminal.MaxDocument)
	if err != nil {
		return nil, err
	}
	v := variables(string(text))
	config := client.Config{
		Address: v[client.EnvAddress], CACert: v[client.EnvCACert], AccessKeyID: v[client.EnvAccessKeyID],
		SecretAccessKey: v[client.EnvSecretAccessKey], SessionToken: v[client.EnvSessionToken], Region: v[client.EnvRegion],
		UserAgent: a.UserAgent,
	}
	c, err := client.New(config)
	if err != nil {
		return nil, terminal.Hint(fmt.Errorf("the profile %s: %w", profile, err),
			"it has lines such as export %s='https://kms.example.com:8443'", client.EnvAddress)
	}
	return c, nil
}

// variables reads lines such as "export NAME='value'", as a shell would that
// expands nothing.
func variables(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		for _, quote := range []string{"'", `"`} {
			if len(value) >= 2 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
				value = value[1 : len(value)-1]
				break
			}
		}
		found[name] = strings.ReplaceAll(value, `'\''`, "'")
	}
	return found
}
