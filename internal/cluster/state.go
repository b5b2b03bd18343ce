package cluster

import (
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// State is where a cluster is in its life.
type State string

// The states of a cluster.
const (
	// Uninitialised: nobody has claimed it. With an HSM it has a request for its
	// certificate.
	Uninitialised State = "uninitialised"
	// Initialised: it has its certificate, and no HSM has been logged in to since.
	Initialised State = "initialised"
	// Active: it serves, or would if it had an HSM.
	Active State = "active"
	// Degraded: it was active, and one of its HSMs is not.
	Degraded State = "degraded"
	Deleted  State = "deleted"
)

// HSMState is where an HSM of a cluster is in its life.
type HSMState string

// The states of an HSM.
const (
	HSMCreating HSMState = "creating" // a token is being made ready
	HSMActive   HSMState = "active"
	HSMDegraded HSMState = "degraded" // its token is away, refuses the PIN, or is another one
)

// Cluster is a cluster of HSMs.
type Cluster struct {
	ID     string
	Realm  key.RealmID
	Region string
	// Model is what the owner calls the kind of the HSMs. The tokens decide what
	// they are.
	Model string
	// Zones are the places that HSMs can be said to be in.
	Zones []Zone
	HSMs  []HSM
	// Request is the DER of the certificate request for the key that the first
	// HSM made; nil before there is an HSM, and once the cluster is claimed.
	Request []byte
	// Certificate is the cluster's, issued by Anchor, a self-signed certificate
	// of the owner's. DER, nil before the cluster is claimed.
	Certificate, Anchor []byte
	// Lineage is the id of the cluster whose backups this one comes from, at the
	// end of that line; its own for a new one. Tokens are marked with it.
	Lineage string
	// SourceBackup is the id of the backup that the cluster was made from, or "".
	SourceBackup string
	// Held are the keys that the last of the cluster's tokens held when it was
	// given back, or that the backup names: a token without them will not do as
	// the first one.
	Held []Object
	// RetentionDays is how long backups are kept.
	RetentionDays int
	CreatedAt     time.Time
	// ActivatedAt is when an HSM of the claimed cluster was first logged in to.
	ActivatedAt time.Time
	Tags        []key.Tag

	ended bool // it was just deleted
}

// Zone is a name of a place and of the network there, as the owner has them.
type Zone struct{ Name, Network string }

// HSM is a token that a cluster has taken.
type HSM struct {
	ID   string
	Zone Zone
	// Token is the token's name in the configuration, Serial its serial number.
	Token, Serial string
	CreatedAt     time.Time
	// State and Why, what is wrong with it, are as of the time of the call.
	State HSMState
	Why   string
}

// Resource returns the cluster as the object of a decision.
func (c *Cluster) Resource() key.Resource {
	return resource(key.KindCluster, c.Realm, c.Region, c.ID)
}

func (c *Cluster) clone() *Cluster {
	next := *c
	next.HSMs, next.Tags = slices.Clone(c.HSMs), slices.Clone(c.Tags)
	return &next
}

// State returns the cluster's state, which follows from its HSMs'.
func (c *Cluster) State() State {
	switch {
	case c.ended:
		return Deleted
	case c.Certificate == nil:
		return Uninitialised
	case c.ActivatedAt.IsZero():
		return Initialised
	case slices.ContainsFunc(c.HSMs, func(h HSM) bool { return h.State == HSMDegraded }):
		return Degraded
	}
	return Active
}

// Serving returns the HSMs that work.
func (c *Cluster) Serving() []HSM {
	var list []HSM
	for _, h := range c.HSMs {
		if h.State == HSMActive {
			list = append(list, h)
		}
	}
	return list
}

func (c *Cluster) zone(name string) (Zone, bool) {
	at := slices.IndexFunc(c.Zones, func(z Zone) bool { return z.Name == name })
	if at < 0 {
		return Zone{}, false
	}
	return c.Zones[at], true
}

func (c *Cluster) hsm(id string) *HSM {
	at := slices.IndexFunc(c.HSMs, func(h HSM) bool { return h.ID == id })
	if at < 0 {
		return nil
	}
	return &c.HSMs[at]
}

func (c *Cluster) drop(id string) {
	c.HSMs = slices.DeleteFunc(c.HSMs, func(h HSM) bool { return h.ID == id })
}
