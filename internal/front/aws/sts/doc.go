// Package sts serves the AWS STS API (Query, version 2011-06-15): who the
// caller is, sessions of users with and without a second factor, and roles,
// which users, other roles' sessions and web identities assume. Operations has
// what is implemented.
//
// AssumeRoleWithWebIdentity is served to unsigned requests: its token is the
// proof, and it is taken only over TLS or from this machine.
package sts
