package inventory

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/discovery"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// Limits of what goes to the server at a time: base64 and JSON add to the
// certificates, and the server takes 256 KiB and 1,000 of them.
const (
	maxBatch      = 128 << 10 // bytes
	maxBatchCount = 100       // places
	maxChain      = 10        // certificates of a place; more are a collection
)

// maxList is the longest list of servers that is read, in bytes.
const maxList = 16 << 20

// finds is the flags of what finds certificates, and what was found.
type finds struct {
	source    string
	dryRun    bool
	sightings []client.Sighting
	result    found
}

// found is what a search has to tell.
type found struct {
	// Places are where certificates were found, Failures where there should be
	// some and were none.
	Places   int `json:"places"`
	Failures int `json:"failures"`
	Added    int `json:"added"`
	Own      int `json:"own"`
	// Items are the certificates, each once; with --dry-run none.
	Items []client.InventoryItem `json:"items,omitempty"`
}

func (f *finds) flags(cmd *cobra.Command, source string) {
	cmd.Flags().StringVar(&f.source, "source", source, "what the inventory says brought them")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only count what is found")
}

func (a *app) scan() *cobra.Command {
	var f finds
	var o discovery.Options
	var list string
	cmd := &cobra.Command{
		Use: "scan [HOST:PORT…]", Short: "Find the certificates that servers present, and put them into the inventory", Args: cobra.ArbitraryArgs,
		Long: "Connect to servers by TLS and put the certificates that they present into the inventory,\n" +
			"with where they were seen. A server is HOST:PORT, or HOST:PORT=NAME to ask for another\n" +
			"name (SNI); without a port 443 is meant. 10.0.0.0/24:443 is a range of addresses. --hosts\n" +
			"reads a list, one a line, with the other name behind a space; # begins a comment. Nothing\n" +
			"is sent but a handshake, and nobody's certificate is trusted by it. This machine connects,\n" +
			"not the server. For files see \"inventory register\"; for what is wrong with what was found,\n" +
			"\"inventory problems\".",
		Example: "  holdfast inventory scan web.example.com db.example.com:5433 10.0.0.7:8443=internal.example.com\n" +
			"  holdfast inventory scan --hosts servers.txt --source weekly",
	}
	f.flags(cmd, "scan")
	cmd.Flags().StringVar(&list, "hosts", "", "a file with servers, one a line; - is standard input")
	cmd.Flags().DurationVar(&o.Timeout, "wait", 5*time.Second, "how long a server may take")
	cmd.Flags().IntVar(&o.Parallel, "parallel", 32, "how many servers are asked at a time")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		targets, err := a.targets(args, list)
		if err != nil {
			return err
		}
		if err := discovery.Servers(ctx, targets, o, func(x discovery.Finding) { f.take(a, &x) }); err != nil {
			return err
		}
		return a.put(ctx, c, &f)
	})
	return cmd
}

// targets reads the servers of the command line and of a list.
func (a *app) targets(args []string, list string) ([]discovery.Target, error) {
	lines := make([]string, len(args))
	for i, arg := range args {
		lines[i] = strings.Replace(strings.TrimSuffix(strings.TrimPrefix(arg, "https://"), "/"), "=", " ", 1)
	}
	var in io.Reader = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if list != "" {
		text, err := a.Read(list, maxList)
		if err != nil {
			return nil, err
		}
		in = io.MultiReader(in, strings.NewReader(string(text)))
	}
	targets, err := discovery.Targets(in)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, terminal.Usagef("no server is named: give HOST:PORT, or a list with --hosts")
	}
	return targets, nil
}

func (a *app) register() *cobra.Command {
	var f finds
	cmd := &cobra.Command{
		Use: "register PATH…", Short: "Put certificates of files and directories into the inventory", Args: cobra.MinimumNArgs(1),
		Long: "Put the certificates of files into the inventory: PEM, DER and PKCS #7, one or many in a\n" +
			"file. A directory is gone through with all below it; files of other kinds are passed over.\n" +
			"Private keys in them are never sent.",
		Example: "  holdfast inventory register /etc/ssl/private/web.pem\n  holdfast inventory register /etc/pki --source web-01",
	}
	f.flags(cmd, "registered")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		if err := discovery.Files(ctx, args, func(x discovery.Finding) { f.take(a, &x) }); err != nil {
			return err
		}
		if len(f.sightings) == 0 {
			return errors.New("no certificate was found")
		}
		return a.put(ctx, c, &f)
	})
	return cmd
}

// take notes a finding. The certificates of a place belong together, unless
// they are so many that it is a collection.
func (f *finds) take(a *app, x *discovery.Finding) {
	if x.Err != nil {
		f.result.Failures++
		_ = a.Done("%s: %v", x.Address, x.Err) // the count is told as well
		return
	}
	f.result.Places++
	for i, der := range x.Chain {
		if i == 0 || len(x.Chain) > maxChain {
			f.sightings = append(f.sightings, client.Sighting{Address: x.Address, Name: x.Name})
		}
		last := &f.sightings[len(f.sightings)-1]
		last.Data = append(last.Data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
}

// put registers what was found, some at a time, and tells of it.
func (a *app) put(ctx context.Context, c *client.Client, f *finds) error {
	for all := f.sightings; len(all) > 0 && !f.dryRun; {
		n, size := 0, 0
		for n < len(all) && n < maxBatchCount && (n == 0 || size+len(all[n].Data) <= maxBatch) {
			size += len(all[n].Data)
			n++
		}
		done, err := c.Register(ctx, f.source, all[:n])
		if err != nil {
			return err
		}
		f.result.Added, f.result.Own = f.result.Added+done.Added, f.result.Own+done.Own
		f.result.Items = append(f.result.Items, done.Items...)
		all = all[n:]
	}
	return a.Show(f.result, func(w *terminal.Table) {
		w.Fact("Places with certificates", f.result.Places)
		w.Fact("New certificates", f.result.Added)
		w.Fact("Issued here", f.result.Own)
		w.Fact("Without a certificate", f.result.Failures)
	})
}
