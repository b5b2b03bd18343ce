package keyserver

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/place"
)

// maxSessions is the largest number of sessions that a URI may ask for.
const maxSessions = 1024

// readURI reads a URI as gokeyless takes it: PKCS #11 with max-sessions, the
// identifier of a key in Azure, a resource name of Google's; and every URI of
// the library. sessions is 0 where the URI does not say.
func readURI(text string) (u *place.URI, sessions int, err error) {
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "pkcs11:"):
		if text, sessions, err = cutSessions(text); err != nil {
			return nil, 0, err
		}
	case strings.HasPrefix(lower, "https://"):
		if text, err = ofAzure(text); err != nil {
			return nil, 0, err
		}
	case strings.HasPrefix(text, "projects/"):
		text = place.SchemeGoogle + "://" + text
	}
	u, err = place.Parse(text)
	if err == nil && place.Bare(u) {
		return nil, 0, fault.New(fault.InvalidArgument, "%s names a place of keys, and no key in it", u)
	}
	return u, sessions, err
}

// cutSessions takes max-sessions out of a PKCS #11 URI.
func cutSessions(text string) (rest string, sessions int, err error) {
	path, query, ok := strings.Cut(text, "?")
	if !ok {
		return text, 0, nil
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		value, found := strings.CutPrefix(pair, "max-sessions=")
		if !found {
			kept = append(kept, pair)
			continue
		}
		if sessions, err = strconv.Atoi(value); err != nil || sessions < 1 || sessions > maxSessions {
			return "", 0, fault.New(fault.InvalidArgument, "max-sessions is %q, and no number from 1 to %d", value, maxSessions)
		}
	}
	if len(kept) == 0 {
		return path, sessions, nil
	}
	return path + "?" + strings.Join(kept, "&"), sessions, nil
}

// ofAzure returns the library's URI for the identifier of a key in a vault or a
// managed HSM: https://NAME.{vault,managedhsm}.azure.net/keys/KEY[/VERSION].
func ofAzure(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/keys/"):
		return "", fault.New(fault.InvalidArgument, "%.300q is no key of Azure: https://NAME.vault.azure.net/keys/KEY/VERSION", text)
	case strings.Contains(u.Host, ".managedhsm."):
		return place.SchemeAzure + "://" + u.Host + strings.TrimPrefix(u.Path, "/keys") + "?hsm=true", nil
	}
	return place.SchemeAzure + "://" + u.Host + strings.TrimPrefix(u.Path, "/keys"), nil
}
