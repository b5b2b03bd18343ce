package document

import (
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/renewal"
)

// renewalDocument is renewal.Text.
type renewalDocument struct {
	Before string  `yaml:"before,omitempty"`
	Share  float64 `yaml:"share,omitempty"`
	Key    string  `yaml:"key,omitempty"`
	Jitter string  `yaml:"jitter,omitempty"`
}

func (d *document) readRenewal(p *profile.Profile) (err error) {
	if d.Renewal != nil {
		p.Renewal, err = renewal.Text(*d.Renewal).Rule()
	}
	return err
}

func writeRenewal(p *profile.Profile) *renewalDocument {
	if p.Renewal == nil {
		return nil
	}
	text := renewalDocument(p.Renewal.Text())
	return &text
}
