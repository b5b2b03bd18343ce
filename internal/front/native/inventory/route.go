// Package inventory serves the inventory of certificates over the native API.
package inventory

import (
	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// front has the handlers.
type front struct {
	inventory *inventory.Service
}

// Operations returns the operations on the inventory.
func Operations(i *inventory.Service) []native.Operation {
	f := &front{i}
	return []native.Operation{
		native.Get("/inventory", "SearchInventory", key.ListCertificates, native.Handle(f.searchInventory)).Takes(inventoryQuery(native.Paged()...)...),
		native.Post("/inventory", "RegisterCertificates", key.RegisterCertificate, native.Handle(f.registerCertificates)),
		native.Delete("/inventory", "ForgetCertificates", key.ForgetCertificate, native.Handle(f.forgetCertificates)).Takes("fingerprint"),
		native.Get("/inventory/{item}", "GetInventoryItem", key.GetCertificate, native.Handle(f.inventoryItem)),
		native.Get("/inventory-problems", "ListProblems", key.ListCertificates, native.Handle(f.inventoryProblems)).Takes(inventoryQuery(native.Paged()...)...),
		native.Get("/inventory-forecast", "Forecast", key.ListCertificates, native.Handle(f.forecast)).Takes("authority"),
		native.Get("/inventory-export", "ExportInventory", key.ListCertificates, f.exportEndpoint()).Takes(inventoryQuery("format")...),
	}
}
