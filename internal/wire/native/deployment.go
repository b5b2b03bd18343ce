package native

import "time"

// DeploymentReport is what an agent says of a certificate on its host.
type DeploymentReport struct {
	// Host is what the agent calls its machine, Name the certificate.
	Host string `json:"host"`
	Name string `json:"name"`
	// Managed is the id of the managed certificate that it is; empty for one that
	// the agent asked for itself.
	Managed string `json:"managed,omitempty"`
	// Serial and SHA256 are of the certificate that the report is about, in
	// lower-case hex; Subject is its subject.
	Serial   string    `json:"serial,omitempty"`
	SHA256   string    `json:"sha256,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	// Outcome is "served" (a check met it), "installed" (no check was asked for),
	// "unconfirmed" (it is the host's first, and was not met yet), "rolled-back" (what was there before is back), "refused" (nothing was
	// changed) or "failed" (nor could what was there before be brought back whole).
	Outcome string `json:"outcome"`
	// Failure says why, of all outcomes but the first two.
	Failure string `json:"failure,omitempty"`
	// Serving is the serial number of the certificate that is in place; empty for
	// none.
	Serving string `json:"serving,omitempty"`
	// Places are the paths of its files, Check is where it was looked for.
	Places []string `json:"places"`
	Check  string   `json:"check,omitempty"`
	// At is when it happened, by the host's clock.
	At time.Time `json:"at"`
}

// Deployment is the latest report of a certificate on a host.
type Deployment struct {
	DeploymentReport
	// Reporter is who reported it, ReportedAt when.
	Reporter   string    `json:"reporter"`
	ReportedAt time.Time `json:"reported_at"`
}

// DeploymentList is a page of deployments.
type DeploymentList struct {
	Deployments []Deployment `json:"deployments"`
	Next        string       `json:"next,omitempty"`
}
