package age

import "github.com/holdfast-kms/holdfast/envelope"

// Address returns the string of a recipient that was not checked.
func Address(method envelope.Method, uri string, public []byte) string {
	return (&address{method, uri, public}).String()
}
