// Package native has the JSON shapes of Holdfast's own small API, which is
// served under /holdfast/v1/ for the command line, the agent and the console.
// It is a pure codec: Decode reads strictly, the types say what travels.
//
// Bytes travel in base64 (RFC 4648 section 4), times as RFC 3339, specs and
// algorithms as AWS spells them. docs/openapi.yaml describes the same shapes,
// and a test keeps the two equal. A member may be added to a response at any
// time; none is renamed or removed within v1.
package native

// Prefix is where the API begins on the server.
const Prefix = "/holdfast/v1"

// The headers of the API beside the standard ones.
const (
	// HeaderSessionToken carries the token of temporary credentials.
	HeaderSessionToken = "X-Holdfast-Session-Token" //nolint:gosec // a header's name, no credential
	// HeaderRegion says which region's keys a request is about.
	HeaderRegion = "X-Holdfast-Region"
	// HeaderRequestID is the request's id in every response.
	HeaderRequestID = "X-Holdfast-Request-Id"
)

// The media types of the API.
const (
	TypeJSON    = "application/json"
	TypeProblem = "application/problem+json"          // RFC 9457 section 3
	TypePEM     = "application/pem-certificate-chain" // RFC 8555 section 9.1
	TypeCRL     = "application/pkix-crl"              // RFC 2585 section 4.2
)

// MaxBody is the longest request body in bytes: a policy of 32 KiB whose
// every character is escaped still fits.
const MaxBody = 256 << 10

// None is the body of a request or response that has none.
type None struct{}
