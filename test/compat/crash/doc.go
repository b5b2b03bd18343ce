// Package crash kills the real server at random moments under load, and
// checks after every restart that what was acknowledged is there, that
// nothing is half there, and that the audit log verifies.
//
// HOLDFAST_CRASH_ROUNDS says how often it is killed: 25 times by default, so
// that every run of the tests has it; "make crash" does a thousand.
package crash
