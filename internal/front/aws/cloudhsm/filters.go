package cloudhsm

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// clusterFilter reads the filters of DescribeClusters. It is nothing for
// filters that no cluster here fits.
func clusterFilter(filters map[string][]string) (l cluster.List, nothing bool, err error) {
	for name, values := range filters {
		switch name {
		case "clusterIds":
			l.IDs, err = ids(name, key.KindCluster, values)
		case "states":
			l.States, err = statesOf(name, clusterStates, stateNames, values)
		case "vpcIds": // clusters here are in none
			nothing = true
		default:
			err = unknownFilter(name)
		}
		if err != nil {
			return l, false, err
		}
	}
	return l, nothing, nil
}

// backupFilter reads the filters of DescribeBackups.
func backupFilter(filters map[string][]string) (l cluster.ListBackups, err error) {
	for name, values := range filters {
		switch name {
		case "backupIds":
			l.IDs, err = ids(name, key.KindBackup, values)
		case "sourceBackupIds":
			l.Sources, err = ids(name, key.KindBackup, values)
		case "clusterIds":
			l.Clusters, err = ids(name, key.KindCluster, values)
		case "states":
			l.States, err = statesOf(name, backupStates, backupStateNames, values)
		case "neverExpires":
			l.NeverExpires, err = truth(name, values)
		default:
			err = unknownFilter(name)
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

func unknownFilter(name string) error { return invalid("The filter '" + name + "' is not known.") }

// ids returns the core's ids of a filter's values.
func ids(name string, kind key.ResourceKind, values []string) ([]string, error) {
	list := []string{}
	for _, v := range values {
		k, id, ok := wire.ParseHSMResourceID(v)
		if !ok || k != kind {
			return nil, invalid("The value '" + v + "' of the filter '" + name + "' is not the id of a " + string(kind) + ".")
		}
		list = append(list, id)
	}
	return list, nil
}

// statesOf returns the states of a filter's values. Those that only AWS has
// are no state of anything here.
func statesOf[T comparable](name string, known []string, names map[T]string, values []string) ([]T, error) {
	list := []T{}
	for _, v := range values {
		if !slices.Contains(known, v) {
			return nil, invalid("The value '" + v + "' of the filter '" + name + "' is not one of " + strings.Join(known, ", ") + ".")
		}
		for state, n := range names {
			if n == v {
				list = append(list, state)
			}
		}
	}
	return list, nil
}

// truth returns the boolean of a filter.
func truth(name string, values []string) (*bool, error) {
	if len(values) == 1 {
		if b, err := strconv.ParseBool(values[0]); err == nil {
			return &b, nil
		}
	}
	return nil, invalid("The filter '" + name + "' takes true or false.")
}
