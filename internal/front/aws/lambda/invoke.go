package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The headers of an invocation.
const (
	headerType    = "X-Amz-Invocation-Type"
	headerLogType = "X-Amz-Log-Type"
)

// unsupported are the headers of AWS's model that mean nothing here, and what
// they are called in it.
var unsupported = [][2]string{
	{"X-Amz-Client-Context", "ClientContext"},
	{"X-Amz-Durable-Execution-Name", "DurableExecutionName"},
	{"X-Amz-Tenant-Id", "TenantId"},
}

// invoke runs a function, or, with the type DryRun, asks whether it might be
// run. What a function fails with is an answer, too, which its headers tell.
func (f *front) invoke(ctx context.Context, x *aws.Exchange) error {
	name, tail, err := readInvocation(x)
	if err != nil {
		return err
	}
	if len(x.Body) > 0 && !json.Valid(x.Body) {
		return wire.Invalid("InvalidRequestContentException", "Could not parse request body into json: the payload is no JSON.")
	}
	result, err := f.functions.Invoke(ctx, &x.Call, name, &event{x.Body})
	if x.Call.DryRun && fault.ReasonOf(err) == fault.DryRun {
		x.REST.Status = 204
		return nil
	}
	failure, failed := errors.AsType[*function.Failure](err)
	if err != nil && !failed {
		return err
	}
	x.REST.Answer.Set("X-Amz-Executed-Version", latest)
	if failed {
		f := explainFunction(x, failure.Err)
		x.REST.Answer.Set("X-Amz-Function-Error", "Unhandled")
		x.REST.Body, err = json.Marshal(unhandled{f.Message, f.Code, x.Call.RequestID})
	} else {
		x.REST.Body, err = answerOf(&x.Call, result)
	}
	if tail {
		x.REST.Answer.Set("X-Amz-Log-Result", logOf(&x.Call, x.REST.Body, failed))
	}
	return err
}

// readInvocation reads the path, query and headers of an invocation.
func readInvocation(x *aws.Exchange) (name string, tail bool, err error) {
	if err := onlyQuery(x, "Qualifier"); err != nil {
		return "", false, err
	}
	for _, u := range unsupported {
		if x.REST.Header.Get(u[0]) != "" {
			return "", false, wire.Unsupported("Holdfast does not support the parameter " + u[1] + ".")
		}
	}
	switch kind := x.REST.Header.Get(headerType); kind {
	case "", "RequestResponse":
	case "DryRun":
		x.SetDryRun(true)
	case "Event":
		return "", false, wire.Unsupported("Holdfast does not support the InvocationType Event: nobody would get what the function returns.")
	default:
		return "", false, aws.Validation("1 validation error detected: Value '" + kind +
			"' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	switch kind := x.REST.Header.Get(headerLogType); kind {
	case "", "None":
	case "Tail":
		tail = true
	default:
		return "", false, aws.Validation("1 validation error detected: Value '" + kind +
			"' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]")
	}
	name, err = nameOf(x)
	return name, tail, err
}

// unhandled is the payload of a function that failed, as Lambda's runtimes
// write it.
type unhandled struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
	Request string `json:"requestId"`
}

// answerOf returns the payload of a function that succeeded.
func answerOf(call *key.Call, r *function.Result) ([]byte, error) {
	switch {
	case r.Issued != nil:
		return issuedAnswer(call, r.Issued)
	case r.Signed != nil:
		return json.Marshal(struct {
			Certificate string `json:"certificate"`
			Chain       string `json:"certificate_chain,omitempty"`
		}{string(keystore.CertificatesPEM([][]byte{r.Signed.Certificate})), string(keystore.CertificatesPEM(r.Signed.Chain))})
	}
	return []byte("null"), nil
}

// issuedAnswer is the answer of a program behind a gateway: a status, and a
// body that is JSON in a text.
func issuedAnswer(call *key.Call, issued *function.Issued) ([]byte, error) {
	body, err := json.Marshal(struct {
		ARN        string    `json:"certificate_arn"`
		Kept       string    `json:"secret_name"`
		CommonName string    `json:"common_name"`
		Expires    time.Time `json:"expires_at"`
	}{
		wire.CertificateARN(call.Caller.Principal.Realm, call.Region, issued.Authority, issued.Serial),
		issued.Secret.Name, issued.CommonName, issued.NotAfter,
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Status int    `json:"statusCode"`
		Body   string `json:"body"`
	}{200, string(body)})
}

// maxTail is how much of an invocation's log comes with the answer, in bytes.
const maxTail = 4096

// logOf returns the log of an invocation in base64, as Lambda has it: nothing
// of what the function was given or returned, but for why it failed.
func logOf(call *key.Call, body []byte, failed bool) string {
	text := "START RequestId: " + call.RequestID + " Version: " + latest + "\n"
	if failed {
		text += "[ERROR] " + string(body) + "\n"
	}
	text += fmt.Sprintf("END RequestId: %[1]s\nREPORT RequestId: %[1]s\tDuration: %.2[2]f ms\n",
		call.RequestID, float64(time.Since(call.Time).Microseconds())/1000)
	return base64.StdEncoding.EncodeToString([]byte(text[max(0, len(text)-maxTail):]))
}
