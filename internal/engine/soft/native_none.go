//go:build !linux || (!amd64 && !arm64) || static

package soft

import "errors"

// load finds nothing: this build has no way to load libraries.
func load(string) (provider, error) {
	return nil, errors.New("this build of Holdfast loads no libraries")
}
