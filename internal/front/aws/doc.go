// Package aws is the protocols that the AWS services share: requests signed
// with Signature Version 4, and five ways to say what is wanted.
//
//   - JSON 1.1 or 1.0: X-Amz-Target names the operation, the body is JSON.
//   - Query: a form with an Action, answered with XML.
//   - Smithy's RPC v2: the path names the operation, the body is CBOR.
//   - REST: method and path name the operation (package lambda).
//
// The services are in the packages under it, a Service each, which is a table
// of operations; New makes one handler of several. Request ids and errors in
// AWS's words are the same for all.
//
// A request goes: route → read the body → authenticate → decode → the
// service's handler → encode. Whatever fails before the handler reaches the
// door is recorded through Refuser.
//
// An operation that is served over several protocols has one handler. Its
// request is declared once (Members) and always read from JSON, in which it
// came, or into which it is brought at the edge: CBOR says what JSON says, and
// what is a number or a list in a Query form the declaration tells. So there is
// one decoder and one set of complaints. Its answer goes to a Writer, which
// writes JSON, XML or CBOR as it is called. An operation of Query alone (STS,
// SNS) reads its Params, and one of JSON alone writes into Exchange.Out, which
// spares the hot path an interface.
//
// Not implemented: presigned requests and SigV4A, which are refused by name.
package aws
