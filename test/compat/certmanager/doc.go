// Package certmanager drives Holdfast with the provisioner of cert-manager's
// issuer for AWS Private CA, the code that a Kubernetes cluster would run for
// each CertificateRequest.
package certmanager
