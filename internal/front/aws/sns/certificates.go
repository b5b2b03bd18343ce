package sns

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net/http"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The path of a certificate has its id between these, as AWS's has.
const (
	CertificatePrefix = "/SimpleNotificationService-"

	certificateSuffix = ".pem"
)

// Signers has the certificates that messages are verified with. *topic.Service
// is it.
type Signers interface {
	Certificate(ctx context.Context, id string) ([]byte, error)
}

// Certificates serves the certificates under CertificatePrefix to everybody.
func Certificates(s Signers) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, CertificatePrefix), certificateSuffix)
		if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		der, err := s.Certificate(r.Context(), id)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			slog.ErrorContext(r.Context(), "reading a certificate of topics failed", slog.Any("cause", err))
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/x-pem-file")
		w.Header().Set("Cache-Control", "public, max-age=86400") // the id is the certificate's own hash
		_, _ = w.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	})
}
