// Package aws is the vocabulary of the AWS APIs, in both directions: the
// names of specs, algorithms and actions, ARNs, the words of policy documents
// and the shapes of requests and answers. It is a pure codec: it knows no
// transport, keeps nothing and decides nothing.
//
// Start with Vocabulary for policies, ResourceARN and ParseResource for
// names. Every spelling is AWS's own and is part of the wire format.
package aws
