package mem_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Test(t, storetest.Config{New: func(*testing.T) store.Store { return mem.New() }})
}
