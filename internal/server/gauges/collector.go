package gauges

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

// counted is a figure of the census: one, or one for each value of a label.
type counted struct {
	name, help, label string
	read              func(n *Census, tell func(value float64, label ...string))
}

// collector shows the census, and nothing before it was taken.
type collector struct{ gauges *Gauges }

// table is what the census tells.
func table() []counted {
	return []counted{
		{"holdfast_managed_certificates", "Managed certificates by state.", "state", func(n *Census, tell func(float64, ...string)) {
			for _, s := range managed.States() {
				tell(float64(n.Certificates[s]), string(s))
			}
		}},
		{"holdfast_managed_certificates_expiring", "Managed certificates that are issued and end within so many days, each with those of fewer.", "days", func(n *Census, tell func(float64, ...string)) {
			for _, d := range expiringDays() {
				tell(float64(n.Expiring[d]), strconv.Itoa(d))
			}
		}},
		{"holdfast_managed_certificates_unattended", "Managed certificates that are issued, end within so many days, and that nothing is going to renew, or whose renewal is overdue.", "days", func(n *Census, tell func(float64, ...string)) {
			for _, d := range expiringDays() {
				tell(float64(n.Unattended[d]), strconv.Itoa(d))
			}
		}},
		one("holdfast_managed_certificates_overdue", "Managed certificates whose latest renewal failed, or that nothing renewed for a day after its time.", func(n *Census) int { return n.Overdue }),
		moment("holdfast_managed_certificate_first_end_timestamp_seconds", "When the first of the issued managed certificates ends, 0 without any.", func(n *Census) time.Time { return n.FirstEnd }),
		{"holdfast_authorities", "Certificate authorities by state.", "state", func(n *Census, tell func(float64, ...string)) {
			for _, s := range authority.States() {
				tell(float64(n.Authorities[s]), string(s))
			}
		}},
		{"holdfast_authorities_expiring", "Active certificate authorities that end within so many days, each with those of fewer.", "days", func(n *Census, tell func(float64, ...string)) {
			for _, d := range endingDays() {
				tell(float64(n.Ending[d]), strconv.Itoa(d))
			}
		}},
		one("holdfast_crls", "Revocation lists that are to be published.", func(n *Census) int { return n.Lists.Lists }),
		one("holdfast_crls_stale", "Revocation lists that are missing, or whose nextUpdate has passed.", func(n *Census) int { return n.Lists.Stale }),
		moment("holdfast_crl_first_next_update_timestamp_seconds", "The first nextUpdate of the revocation lists that are not stale, 0 without any.", func(n *Census) time.Time { return n.Lists.Next }),
		moment("holdfast_crl_oldest_this_update_timestamp_seconds", "The first thisUpdate of the revocation lists that are not stale, 0 without any.", func(n *Census) time.Time { return n.Lists.Oldest }),
		one("holdfast_events_waiting", "Events that no notice was made of yet, though it is time.", func(n *Census) int { return n.Events }),
		one("holdfast_topic_deliveries_given_up", "Deliveries of topics' messages that were given up and are not forgotten yet.", func(n *Census) int { return n.Undelivered }),
		one("holdfast_approvals_waiting", "Critical operations that wait for somebody's decision.", func(n *Census) int { return n.Approvals }),
		moment("holdfast_approvals_first_asked_timestamp_seconds", "When the decision that has been waited for the longest was asked for, 0 without any.", func(n *Census) time.Time { return n.FirstAsked }),
		moment("holdfast_census_timestamp_seconds", "When the figures of certificates, authorities, revocation lists and of what waits were counted.", func(n *Census) time.Time { return n.At }),
	}
}

func one(name, help string, of func(*Census) int) counted {
	return counted{name, help, "", func(n *Census, tell func(float64, ...string)) { tell(float64(of(n))) }}
}

func moment(name, help string, of func(*Census) time.Time) counted {
	return counted{name, help, "", func(n *Census, tell func(float64, ...string)) { tell(figure.Unix(of(n))) }}
}

func (f *counted) desc() *prometheus.Desc {
	var labels []string
	if f.label != "" {
		labels = []string{f.label}
	}
	return prometheus.NewDesc(f.name, f.help, labels, nil)
}

// Describe implements prometheus.Collector.
func (collector) Describe(to chan<- *prometheus.Desc) {
	for _, f := range table() {
		to <- f.desc()
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(to chan<- prometheus.Metric) {
	n := c.gauges.census.Load()
	if n == nil {
		return
	}
	for _, f := range table() {
		f.read(n, func(value float64, label ...string) {
			to <- prometheus.MustNewConstMetric(f.desc(), prometheus.GaugeValue, value, label...)
		})
	}
}
