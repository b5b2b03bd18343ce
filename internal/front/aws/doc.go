// Package aws is the protocol that the AWS services share: requests signed
// with Signature Version 4, operations named by X-Amz-Target with JSON 1.1
// bodies, by an Action parameter with XML answers, or by method and path, request
// ids, and errors in AWS's words. The services are in the packages under it, a Service each,
// which is a table of operations; New makes one handler of several.
//
// A request goes: route → read the body → authenticate → decode → the
// service's handler → encode. Whatever fails before the handler reaches the
// door is recorded through Refuser.
//
// Not implemented: presigned requests and SigV4A, which are refused by name,
// and CBOR.
package aws
