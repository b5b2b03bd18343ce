//go:build !race

package year_test

// raced says that the race detector makes everything several times slower.
const raced = false
