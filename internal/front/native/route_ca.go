package native

import "github.com/holdfast-kms/holdfast/internal/key"

func authorityOperations() []operation {
	return []operation{
		{post, "/authorities", "CreateAuthority", key.CreateAuthority, nil, created, handle((*Front).createAuthority)},
		{get, "/authorities", "ListAuthorities", key.ListAuthorities, paged(), 0, handle((*Front).listAuthorities)},
		{get, "/authorities/{authority}", "GetAuthority", key.DescribeAuthority, nil, 0, handle((*Front).authority)},
		{get, "/authorities/{authority}/chain", "GetChain", key.DescribeAuthority, nil, 0, chainEndpoint()},
		{get, "/authorities/{authority}/crl", "GetCRL", key.GetCRL, []string{"shard", "delta"}, 0, crlEndpoint()},
		{get, "/authorities/{authority}/csr", "GetAuthorityCSR", key.GetAuthorityCSR, nil, 0, handle((*Front).authorityCSR)},
		{put, "/authorities/{authority}/certificate", "ImportAuthorityCertificate", key.ImportAuthorityCertificate, nil, 0, handle((*Front).importAuthority)},
		{post, "/authorities/{authority}/renew", "RenewAuthority", key.RenewAuthority, nil, 0, handle((*Front).renewAuthority)},
		{post, "/authorities/{authority}/rekey", "RekeyAuthority", key.RekeyAuthority, nil, created, handle((*Front).rekeyAuthority)},
		{post, "/authorities/{authority}/cross-sign", "CrossSign", key.IssueCertificate, nil, created, handle((*Front).crossSign)},
	}
}

func lifeOperations() []operation {
	return []operation{
		{post, "/authorities/{authority}/update", "UpdateAuthority", key.UpdateAuthority, nil, 0, handle((*Front).updateAuthority)},
		{post, "/authorities/{authority}/schedule-deletion", "DeleteAuthority", key.DeleteAuthority, nil, 0, handle((*Front).deleteAuthority)},
		{post, "/authorities/{authority}/restore", "RestoreAuthority", key.RestoreAuthority, nil, 0, handle((*Front).restoreAuthority)},
		{post, "/authorities/{authority}/tags", "TagAuthority", key.TagAuthority, nil, 0, handle((*Front).tagAuthority)},
		{del, "/authorities/{authority}/tags", "UntagAuthority", key.UntagAuthority, []string{"key"}, 0, handle((*Front).untagAuthority)},
		{get, "/authorities/{authority}/policy", "GetAuthorityPolicy", key.GetAuthorityPolicy, nil, 0, handle((*Front).authorityPolicy)},
		{put, "/authorities/{authority}/policy", "PutAuthorityPolicy", key.PutAuthorityPolicy, nil, 0, handle((*Front).putAuthorityPolicy)},
		{del, "/authorities/{authority}/policy", "DeleteAuthorityPolicy", key.DeleteAuthorityPolicy, nil, 0, handle((*Front).deleteAuthorityPolicy)},
		{get, "/authorities/{authority}/permissions", "ListPermissions", key.ListPermissions, nil, 0, handle((*Front).listPermissions)},
		{post, "/authorities/{authority}/permissions", "CreatePermission", key.CreatePermission, nil, 0, handle((*Front).createPermission)},
		{del, "/authorities/{authority}/permissions", "DeletePermission", key.DeletePermission, []string{"principal", "realm"}, 0, handle((*Front).deletePermission)},
	}
}

func certificateOperations() []operation {
	return []operation{
		{post, "/certificates", "IssueCertificate", key.IssueCertificate, nil, created, handle((*Front).issue)},
		{get, "/certificates", "ListCertificates", key.ListCertificates, paged("authority", "state", "text", "expires_before"), 0, handle((*Front).listCertificates)},
		{get, "/certificates/{authority}/{serial}", "GetCertificate", key.GetCertificate, nil, 0, handle((*Front).certificate)},
		{post, "/certificates/{authority}/{serial}/revoke", "RevokeCertificate", key.RevokeCertificate, nil, 0, handle((*Front).revoke)},
		{post, "/certificates/{authority}/{serial}/release", "ReleaseCertificate", key.RevokeCertificate, nil, 0, handle((*Front).release)},
		{post, "/certificates/{authority}/{serial}/revoke-with-proof", "RevokeWithProof", key.RevokeCertificate, nil, 0, handle((*Front).revokeWithProof)},
	}
}

func profileOperations() []operation {
	return []operation{
		{get, "/profiles", "ListProfiles", key.ListProfiles, paged(), 0, handle((*Front).listProfiles)},
		{get, "/profiles/{profile}", "GetProfile", key.GetProfile, nil, 0, handle((*Front).profile)},
		{put, "/profiles/{profile}", "PutProfile", key.PutProfile, nil, 0, handle((*Front).putProfile)},
		{del, "/profiles/{profile}", "DeleteProfile", key.DeleteProfile, nil, 0, handle((*Front).deleteProfile)},
	}
}

func inventoryOperations() []operation {
	return []operation{
		{get, "/inventory", "SearchInventory", key.ListCertificates, inventoryQuery(paged()...), 0, handle((*Front).searchInventory)},
		{post, "/inventory", "RegisterCertificates", key.RegisterCertificate, nil, 0, handle((*Front).registerCertificates)},
		{del, "/inventory", "ForgetCertificates", key.ForgetCertificate, []string{"fingerprint"}, 0, handle((*Front).forgetCertificates)},
		{get, "/inventory/{item}", "GetInventoryItem", key.GetCertificate, nil, 0, handle((*Front).inventoryItem)},
		{get, "/inventory-problems", "ListProblems", key.ListCertificates, inventoryQuery(paged()...), 0, handle((*Front).inventoryProblems)},
		{get, "/inventory-forecast", "Forecast", key.ListCertificates, []string{"authority"}, 0, handle((*Front).forecast)},
		{get, "/inventory-export", "ExportInventory", key.ListCertificates, inventoryQuery("format"), 0, exportEndpoint()},
	}
}

func managedOperations() []operation {
	return []operation{
		{post, "/managed", "RequestManaged", key.RequestManaged, nil, created, handle((*Front).requestManaged)},
		{post, "/managed/import", "ImportManaged", key.ImportManaged, nil, created, handle((*Front).importManaged)},
		{get, "/managed", "ListManaged", key.ListManaged, paged("state"), 0, handle((*Front).listManaged)},
		{get, "/managed/{managed}", "DescribeManaged", key.DescribeManaged, nil, 0, handle((*Front).describeManaged)},
		{post, "/managed/{managed}/export", "ExportManaged", key.ExportManaged, nil, 0, handle((*Front).exportManaged)},
		{post, "/managed/{managed}/renew", "RenewManaged", key.RenewManaged, nil, 0, handle((*Front).renewManaged)},
		{post, "/managed/{managed}/revoke", "RevokeManaged", key.RevokeManaged, nil, 0, handle((*Front).revokeManaged)},
		{del, "/managed/{managed}", "DeleteManaged", key.DeleteManaged, nil, 0, handle((*Front).deleteManaged)},
		{post, "/managed/{managed}/tags", "TagManaged", key.TagManaged, nil, 0, handle((*Front).tagManaged)},
		{del, "/managed/{managed}/tags", "UntagManaged", key.UntagManaged, []string{"key"}, 0, handle((*Front).untagManaged)},
	}
}
