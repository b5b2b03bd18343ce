package terminal

import (
	"strings"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// KeyName returns how the API names what a user calls a key: an id, an ARN
// and a name with "alias/" stay, anything else is an alias.
func KeyName(name string) string {
	if _, err := uuid.Parse(name); err == nil || strings.HasPrefix(name, "arn:") || strings.Count(name, "/") == 2 {
		return name
	}
	return AliasName(name)
}

// AliasName puts "alias/" before an alias that lacks it.
func AliasName(name string) string {
	if strings.HasPrefix(name, "alias/") {
		return name
	}
	return "alias/" + name
}

// CheckSpec refuses the name of a key spec that is not known.
func CheckSpec(name string) error {
	return CheckName("key spec", name, SpecNames(), func(s string) bool { return alg.ParseSpec(s) != alg.NoSpec })
}

// ParseAlgorithm returns the algorithm of a name.
func ParseAlgorithm(name string, usage alg.Usage) (alg.Algorithm, error) {
	short := alg.ParseAlgorithm(name)
	if err := CheckName("algorithm", name, AlgorithmNames(usage), func(string) bool { return short.Info().Usage == usage && short != alg.NoAlgorithm }); err != nil {
		return alg.NoAlgorithm, err
	}
	if short != alg.NoAlgorithm {
		return short, nil
	}
	a, _ := aws.ParseAlgorithm(name) // checkName knows it
	return a, nil
}
