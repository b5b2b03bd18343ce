package aws

import "github.com/holdfast-kms/holdfast/internal/fault"

// Exception is an error in AWS's words: the code that goes into __type and
// the message, which may be empty. As the cause of a fault.Error it says
// which of AWS's errors the fault is, where the kind alone does not.
type Exception struct {
	Code    string
	Message string
}

// Error returns "Code: Message".
func (e *Exception) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// Invalid returns an InvalidArgument fault that is the exception of a code.
func Invalid(code, message string) error {
	return &fault.Error{Kind: fault.InvalidArgument, Public: message, Err: &Exception{Code: code, Message: message}}
}

// Unsupported returns an Unsupported fault: something that AWS has and
// Holdfast does not, refused by name.
func Unsupported(message string) error {
	return &fault.Error{
		Kind: fault.Unsupported, Public: message, Err: &Exception{Code: "UnsupportedOperationException", Message: message},
	}
}

// Serialization returns the fault of a body that is not the JSON of the
// operation.
func Serialization(message string) error { return Invalid("SerializationException", message) }
