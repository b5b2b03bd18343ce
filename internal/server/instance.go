// Package server puts Holdfast together: it chooses the implementations,
// mounts the front ends on one listener, and starts and stops everything in
// order. instance.go is what a data directory becomes while it is served;
// server.go the listeners around it.
package server

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/compliance/survey"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/deployment"
	"github.com/holdfast-kms/holdfast/internal/engine"
	hsmengine "github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	awspca "github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	keylessfront "github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/metric"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/retention"
	"github.com/holdfast-kms/holdfast/internal/rotation"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/server/providers"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
	"github.com/holdfast-kms/holdfast/internal/sink"
	"github.com/holdfast-kms/holdfast/internal/status"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/trail"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Files of a data directory, beside the seal's.
const (
	storeFile    = "holdfast.db"
	auditDir     = "audit"
	crlDir       = "crl"       // revocation lists, which are made anew if they are lost
	auditKeyFile = "audit.pub" // verifies the audit log's checkpoints, PEM
)

// auditKeySetting is the sealed Ed25519 seed that signs checkpoints.
const auditKeySetting = "audit checkpoint key"

// memoryEntries is how many audit entries a server that keeps nothing keeps.
const memoryEntries = 100_000

// instance is one data directory being served. Its parts are closed in the
// opposite order of their making.
type instance struct {
	region    string
	store     store.Store
	audit     audit.Recorder
	entries   index.Source
	log       string // the audit log's id
	guard     *guard.Guard
	approvals *approval.Service
	directory *identity.Directory
	admin     *identity.Admin
	keys      *kms.Service
	ca        *ca.Service
	status    *status.Service
	inventory *inventory.Service
	managed   *managed.Service
	rotation  *rotation.Service
	deployed  *deployment.Service
	bursts    *notice.Bursts
	notices   *notice.Service
	watch     *notice.Watch
	poster    *courier.HTTP
	mailer    *courier.SMTP // nil without a mail server
	secrets   *secret.Service
	functions *function.Service
	meter     *metric.Meter
	figures   *metric.Service
	gauges    *gauges.Gauges
	alarms    *alarm.Service
	trails    *trail.Service
	survey    *survey.Service
	clusters  *cluster.Service
	keyStores *customstore.Service
	topics    *topic.Service
	sinks     *sink.Sinks
	retention *retention.Service
	hsms      *tokens.Tokens
	providers *providers.Providers
	engines   []engine.Engine // those over tokens
	keyless   *keylessfront.Store
	clock     *lifecycle.Runner
	handler   http.Handler
	// signer signs the audit log's checkpoints; an ephemeral instance has none.
	signer ed25519.PrivateKey

	closers []func() error
}

// open makes an instance of a data directory whose root key is open. An
// ephemeral instance keeps everything in memory.
func open(ctx context.Context, c *config.Config, root *seal.Root, ephemeral bool, m *metrics, log *slog.Logger) (*instance, error) {
	i, err := openCore(ctx, c, root, ephemeral, m.gauges, log)
	if err != nil {
		return nil, err
	}
	i.deployed = deployment.New(i.guard, i.store, nil)
	i.clock = lifecycle.Start(c.Lifecycle.Interval, log,
		lifecycle.Task{Name: "keys", Tick: i.keys.Tick},
		lifecycle.Task{Name: "rotation rules", Tick: i.rotation.Tick},
		lifecycle.Task{Name: "keys in providers", Tick: i.keys.Mirror},
		lifecycle.Task{Name: "authorities", Tick: i.ca.Tick},
		lifecycle.Task{Name: "certificate status", Tick: i.status.Tick},
		lifecycle.Task{Name: "managed certificates", Tick: i.managed.Tick},
		lifecycle.Task{Name: "approvals", Tick: i.approvals.Tick},
		lifecycle.Task{Name: "deployments", Tick: i.deployed.Tick},
		lifecycle.Task{Name: "what is about to happen", Tick: i.watch.Tick},
		lifecycle.Task{Name: "notices", Tick: i.notices.Tick},
		lifecycle.Task{Name: "secrets", Tick: i.secrets.Tick},
		lifecycle.Task{Name: "topics", Tick: i.topics.Tick},
		lifecycle.Task{Name: "clusters", Tick: i.clusters.Tick},
		lifecycle.Task{Name: "audit index", Tick: i.indexLog},
		lifecycle.Task{Name: "trails", Tick: i.trails.Tick},
		lifecycle.Task{Name: "audit retention", Tick: i.retention.Tick},
		lifecycle.Task{Name: "census", Tick: i.counter().Tick},
	)
	i.closers = append(i.closers, func() error { i.clock.Stop(); return nil })
	i.topics.Start()
	i.sinks.Start()
	i.showFigures(i.clock, i.startAlarms(c.Lifecycle.Interval, log))
	i.handler = i.mount(c, m)
	i.keyless = i.openKeyless(c)
	return i, nil
}

// openCore makes an instance that neither the clock nor any front end acts on.
func openCore(
	ctx context.Context, c *config.Config, root *seal.Root, ephemeral bool, g *gauges.Gauges, log *slog.Logger,
) (_ *instance, err error) {
	i := &instance{region: c.Region, meter: new(metric.Meter), gauges: g}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close())
		}
	}()
	if err := i.openStore(c, ephemeral); err != nil {
		return nil, err
	}
	if err := seal.Claim(ctx, root, i.store); err != nil {
		return nil, err
	}
	if err := i.openAudit(ctx, c, root, ephemeral, log); err != nil {
		return nil, err
	}
	if err := i.openServices(ctx, c, root, ephemeral, log); err != nil {
		return nil, err
	}
	i.openSecrets()
	i.openSurvey(c, ephemeral)
	return i, nil
}

func (i *instance) openStore(c *config.Config, ephemeral bool) error {
	if ephemeral {
		i.store = mem.New()
	} else {
		s, err := embedded.Open(filepath.Join(c.Data, storeFile), embedded.Options{})
		if err != nil {
			return fmt.Errorf("opening the store: %w", err)
		}
		i.store = s
	}
	i.closers = append(i.closers, i.store.Close)
	i.store = i.gauges.Store(i.store)
	return nil
}

func (i *instance) openAudit(ctx context.Context, c *config.Config, root *seal.Root, ephemeral bool, out *slog.Logger) error {
	i.log = root.Installation()
	if ephemeral {
		log := audit.NewMemory(memoryEntries)
		i.audit, i.entries = log, index.Over(log, eventFacets)
		return nil
	}
	seed, err := seal.Secret(ctx, root, i.store, auditKeySetting, newSeed)
	if err != nil {
		return err
	}
	signer := ed25519.NewKeyFromSeed(seed)
	clear(seed)
	if err := writeAuditKey(filepath.Join(c.Data, auditKeyFile), signer.Public().(ed25519.PublicKey)); err != nil {
		return fmt.Errorf("writing the audit log's public key: %w", err)
	}
	i.signer = signer
	log, err := audit.Open(filepath.Join(c.Data, auditDir), audit.Options{
		Signer: signer, ID: i.log, SegmentSize: int64(c.Audit.SegmentMiB) << 20,
		CheckpointInterval: c.Audit.Checkpoint, OnCheckpoint: announce(out, i.gauges.Signed), OnCommit: i.gauges.Committed,
	})
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	i.audit = log
	i.closers = append(i.closers, log.Close)
	i.entries, err = openIndex(log, filepath.Join(c.Data, auditDir))
	return err
}

// announceEvery is how often a checkpoint goes to the server's log.
const announceEvery = 10 * time.Minute

// announce returns what tells of checkpoints, and writes them to the server's log now and then:
// where that log is collected elsewhere, they are the evidence that the audit
// log's end was not cut off ("audit verify --kept").
func announce(out *slog.Logger, tell func(audit.Checkpoint)) func(audit.Checkpoint) {
	var last time.Time // only the audit log's own goroutine calls
	return func(c audit.Checkpoint) {
		tell(c)
		if c.Time.Sub(last) < announceEvery {
			return
		}
		last = c.Time
		if text, err := json.Marshal(c); err == nil {
			out.Info("audit checkpoint", slog.String("checkpoint", string(text))) //nolint:sloglint // no request is concerned
		}
	}
}

func newSeed() []byte {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic("ed25519.GenerateKey with the system's random source failed: " + err.Error())
	}
	return private.Seed()
}

// writeAuditKey writes the key with which anybody can verify the log.
func writeAuditKey(path string, public ed25519.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if have, err := os.ReadFile(path); err == nil && string(have) == string(text) { //nolint:gosec // the data directory's own file
		return nil
	}
	return durable.WriteFile(path, text, 0o644) // a public key, for auditors to read
}

// tellMissing tells of keys that are in a place that is not configured.
func (i *instance) tellMissing(ctx context.Context, log *slog.Logger) {
	missing := i.keys.Missing()
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		log.WarnContext(ctx, "keys are in a place that the configuration does not have: they cannot be used, and are not ended when they are due",
			slog.String("engine", name), slog.Int("keys", missing[name]))
	}
}

// openServices opens the directory, the engine, the door and the authorities.
func (i *instance) openServices(ctx context.Context, c *config.Config, root *seal.Root, ephemeral bool, log *slog.Logger) (err error) {
	if err := i.openIdentities(ctx, c, root, log); err != nil {
		return err
	}
	keyring := seal.NewKeyring(root, i.store)
	software, err := i.openSoftware(c, keyring, log)
	if err != nil {
		return err
	}
	if err := i.openPlaces(ctx, c, keyring, log); err != nil {
		return err
	}
	adopting := i.hsms.Realms()
	i.providers.Realms(adopting)
	i.keys, err = kms.New(ctx, kms.Config{
		Guard: i.guard, Store: i.store, Engine: software, Engines: append(i.providers.Engines(), i.engines...), Stores: i.keyStores,
		Adopting: adopting, Compile: compiler(policy.ForResource), DefaultPolicy: aws.DefaultKeyPolicy, Opened: c.Limits.OpenedKeys,
		Mirror: c.Lifecycle.Mirror,
	})
	if err != nil {
		return err
	}
	i.tellMissing(ctx, log)
	i.keyStores.Start(i.keys)
	weak, err := weakKeys(c.Certificates.WeakKeys)
	if err != nil {
		return err
	}
	i.ca, err = ca.New(ctx, ca.Config{
		Keys: i.keys, Guard: i.guard, Store: i.store, PublicURL: c.PublicURL, Compile: compiler(policy.ForResource), WeakKeys: weak,
	})
	if err != nil {
		return err
	}
	files, err := openBuckets(c)
	if err != nil {
		return err
	}
	i.closers = append(i.closers, files.Close)
	i.status, err = status.New(ctx, status.Config{
		Authorities: i.ca, Keys: i.keys, Guard: i.guard, Store: i.store, Dir: crlFolder(c, ephemeral), Sink: files,
	})
	if err != nil {
		return err
	}
	software.Ready()
	return i.openUpper(ctx, c, keyring, files, log)
}

// openUpper opens what is built on keys and authorities.
func (i *instance) openUpper(ctx context.Context, c *config.Config, keyring *seal.Keyring, files inventory.Sink, log *slog.Logger) error {
	i.managed = managed.New(managed.Config{
		Keys: i.keys, Authorities: i.ca, Guard: i.guard, Store: i.store, Principal: aws.ManagedService, PerMinute: c.Lifecycle.RenewalsPerMinute,
	})
	i.openRotation(c)
	i.openTrails(c, files, log)
	if err := i.openSinks(ctx, c, log); err != nil {
		return err
	}
	if err := i.openCourier(ctx, c, log); err != nil {
		return err
	}
	i.openTopics(c, keyring, log)
	i.openAlarms(log)
	if err := i.openInventory(ctx, files, log); err != nil {
		return err
	}
	return i.openNotices(c, i.topics, log)
}

// openSoftware opens the engine with the keys in this process.
func (i *instance) openSoftware(c *config.Config, keyring *seal.Keyring, log *slog.Logger) (*soft.Engine, error) {
	e, err := soft.New(keyring, soft.Options{
		Library: c.RSA.Library, PureGo: c.RSA.Native == "off", Log: log,
		Pregenerate: map[alg.Spec]int{alg.RSA2048: 1, alg.RSA3072: 1, alg.RSA4096: 1},
	})
	if err == nil {
		i.closers = append(i.closers, e.Close)
	}
	return e, err
}

// crlFolder returns where revocation lists are kept, "" for memory.
func crlFolder(c *config.Config, ephemeral bool) string {
	if ephemeral {
		return ""
	}
	return filepath.Join(c.Data, crlDir)
}

// openPlaces opens where keys live beside this process: tokens, clusters of
// them, and key services.
func (i *instance) openPlaces(ctx context.Context, c *config.Config, keyring *seal.Keyring, log *slog.Logger) (err error) {
	if err := i.openHSMs(ctx, c, keyring, log); err != nil {
		return err
	}
	if err := i.openClusters(ctx, &c.HSM, keyring, log); err != nil {
		return err
	}
	if i.providers, err = providers.Open(ctx, c.Providers, keyring, log); err != nil {
		return err
	}
	i.closers = append(i.closers, i.providers.Close)
	return nil
}

// openHSMs opens the configured tokens, with an engine for each place where
// keys can live.
func (i *instance) openHSMs(ctx context.Context, c *config.Config, keyring *seal.Keyring, log *slog.Logger) error {
	opened, err := tokens.Open(ctx, &c.HSM, log)
	if err != nil {
		return err
	}
	i.hsms = opened
	i.closers = append(i.closers, opened.Close)
	for _, place := range opened.Places() {
		e, err := hsmengine.New(place, keyring, hsmengine.Options{Log: log})
		if err != nil {
			return err
		}
		i.engines = append(i.engines, e)
	}
	return nil
}

// engineNamed returns the engine over a token or group, nil for none.
func (i *instance) engineNamed(name string) engine.Engine {
	for _, e := range i.engines {
		if e.Name() == name {
			return e
		}
	}
	return nil
}

// openInventory opens the inventory, whose reports go to files.
func (i *instance) openInventory(ctx context.Context, files inventory.Sink, log *slog.Logger) error {
	roots, err := x509.SystemCertPool()
	if err != nil {
		log.WarnContext(ctx, "the system's roots cannot be read: only the authorities here are trusted", slog.Any("cause", err))
	}
	i.inventory, err = inventory.New(ctx, inventory.Config{
		Authorities: i.ca, Guard: i.guard, Store: i.store, Sink: files, Roots: roots, Log: log,
		Styles: map[string]inventory.Style{awspca.ReportStyle: awspca.Style()},
	})
	if err != nil {
		return err
	}
	i.closers = append(i.closers, i.inventory.Close)
	return nil
}

// weakKeys reads the lists of weak keys in a directory, none when it is "".
func weakKeys(dir string) (*weakkey.Blocklist, error) {
	if dir == "" {
		return nil, nil //nolint:nilnil // no list is a list without entries
	}
	return weakkey.ReadBlocklist(os.DirFS(dir))
}

// compiler returns what compiles policies of every dialect that a front end
// of this server takes.
func compiler(kind policy.Kind) func(key.Document) (*policy.Policy, error) {
	vocabulary := aws.Vocabulary()
	return func(d key.Document) (*policy.Policy, error) {
		if d.Dialect != aws.Dialect {
			return nil, fault.New(fault.Unsupported, "policies of dialect %q are not known", d.Dialect)
		}
		return policy.Compile([]byte(d.Text), kind, vocabulary)
	}
}

// ready returns nil when the instance can serve.
func (i *instance) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := i.store.View(ctx, func(store.Reader) error { return nil }); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := i.auditFails(); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// close ends the instance: first what works, last what keeps.
func (i *instance) close() error {
	var failures []error
	for n := len(i.closers) - 1; n >= 0; n-- {
		failures = append(failures, i.closers[n]())
	}
	i.closers = nil
	return errors.Join(failures...)
}
