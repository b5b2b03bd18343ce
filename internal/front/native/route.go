package native

import (
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// operation is a row of the table: which request it takes, its name in
// metrics and in the audit log, and the action to authorise.
type operation struct {
	method, path string
	name         string
	// action is NoAction for what every authenticated caller may ask and
	// nobody records.
	action key.Action
	// query are the parameters that the request may have.
	query []string
	// status is the success's, 0 for 200, or 204 where nothing is answered.
	status int
	endpoint
}

// success returns the status of a success with a body.
func (o *operation) success() int {
	if o.status != 0 {
		return o.status
	}
	return http.StatusOK
}

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete

	created = http.StatusCreated
)

// paged are the parameters of every listing.
func paged(more ...string) []string { return append([]string{"after", "limit"}, more...) }

// operations returns the whole table.
func operations() []operation {
	var all []operation
	for _, group := range [][]operation{
		keyOperations(), useOperations(), aliasOperations(), identityOperations(), authorityOperations(), lifeOperations(),
		certificateOperations(), profileOperations(), inventoryOperations(), managedOperations(), serverOperations(),
	} {
		all = append(all, group...)
	}
	return all
}

func keyOperations() []operation {
	return []operation{
		{post, "/keys", "CreateKey", key.CreateKey, nil, created, handle((*Front).createKey)},
		{post, "/keys/import", "ImportKey", key.ImportKey, nil, created, handle((*Front).importKey)},
		{post, "/keys/{key}/export", "ExportKey", key.ExportKey, nil, 0, handle((*Front).exportKey)},
		{get, "/keys", "ListKeys", key.ListKeys, paged(), 0, handle((*Front).listKeys)},
		{get, "/keys/{key}", "DescribeKey", key.DescribeKey, nil, 0, handle((*Front).describeKey)},
		{put, "/keys/{key}/description", "UpdateDescription", key.UpdateKeyDescription, nil, 0, handle((*Front).updateDescription)},
		{post, "/keys/{key}/enable", "EnableKey", key.EnableKey, nil, 0, handle((*Front).enableKey)},
		{post, "/keys/{key}/disable", "DisableKey", key.DisableKey, nil, 0, handle((*Front).disableKey)},
		{post, "/keys/{key}/schedule-deletion", "ScheduleDeletion", key.ScheduleKeyDeletion, nil, 0, handle((*Front).scheduleDeletion)},
		{post, "/keys/{key}/cancel-deletion", "CancelDeletion", key.CancelKeyDeletion, nil, 0, handle((*Front).cancelDeletion)},
		{get, "/keys/{key}/policy", "GetPolicy", key.GetKeyPolicy, nil, 0, handle((*Front).policy)},
		{put, "/keys/{key}/policy", "PutPolicy", key.PutKeyPolicy, nil, 0, handle((*Front).putPolicy)},
		{get, "/keys/{key}/tags", "ListTags", key.ListResourceTags, paged(), 0, handle((*Front).listTags)},
		{post, "/keys/{key}/tags", "Tag", key.TagResource, nil, 0, handle((*Front).tag)},
		{del, "/keys/{key}/tags", "Untag", key.UntagResource, []string{"key"}, 0, handle((*Front).untag)},
		{get, "/keys/{key}/rotation", "GetRotation", key.GetKeyRotationStatus, nil, 0, handle((*Front).rotation)},
		{put, "/keys/{key}/rotation", "EnableRotation", key.EnableKeyRotation, nil, 0, handle((*Front).enableRotation)},
		{del, "/keys/{key}/rotation", "DisableRotation", key.DisableKeyRotation, nil, 0, handle((*Front).disableRotation)},
		{post, "/keys/{key}/rotate", "Rotate", key.RotateKeyOnDemand, nil, 0, handle((*Front).rotate)},
		{get, "/keys/{key}/rotations", "ListRotations", key.ListKeyRotations, paged(), 0, handle((*Front).listRotations)},
	}
}

func useOperations() []operation {
	return []operation{
		{get, "/keys/{key}/public-key", "GetPublicKey", key.GetPublicKey, nil, 0, handle((*Front).publicKey)},
		{post, "/keys/{key}/sign", "Sign", key.Sign, nil, 0, handle((*Front).sign)},
		{post, "/keys/{key}/verify", "Verify", key.Verify, nil, 0, handle((*Front).verify)},
		{post, "/keys/{key}/encrypt", "Encrypt", key.Encrypt, nil, 0, handle((*Front).encrypt)},
		{post, "/decrypt", "Decrypt", key.Decrypt, nil, 0, handle((*Front).decrypt)},
		{post, "/re-encrypt", "ReEncrypt", key.ReEncryptFrom, nil, 0, handle((*Front).reEncrypt)},
		{post, "/keys/{key}/data-key", "GenerateDataKey", key.GenerateDataKey, nil, 0, handle((*Front).dataKey)},
		{post, "/keys/{key}/mac", "GenerateMAC", key.GenerateMAC, nil, 0, handle((*Front).mac)},
		{post, "/keys/{key}/verify-mac", "VerifyMAC", key.VerifyMAC, nil, 0, handle((*Front).verifyMAC)},
		{post, "/random", "GenerateRandom", key.GenerateRandom, nil, 0, handle((*Front).random)},
	}
}

func aliasOperations() []operation {
	return []operation{
		{post, "/aliases", "CreateAlias", key.CreateAlias, nil, 0, handle((*Front).createAlias)},
		{get, "/aliases", "ListAliases", key.ListAliases, paged("key"), 0, handle((*Front).listAliases)},
		{put, "/aliases/{alias}", "UpdateAlias", key.UpdateAlias, nil, 0, handle((*Front).updateAlias)},
		{del, "/aliases/{alias}", "DeleteAlias", key.DeleteAlias, nil, 0, handle((*Front).deleteAlias)},
	}
}

func identityOperations() []operation {
	return []operation{
		{get, "/whoami", "WhoAmI", key.GetCallerIdentity, nil, 0, handle((*Front).whoAmI)},
		{post, "/sessions", "CreateSession", key.CreateSession, nil, created, handle((*Front).createSession)},
		{post, "/users", "CreateUser", key.CreateUser, nil, created, handle((*Front).createUser)},
		{get, "/users", "ListUsers", key.ListUsers, paged(), 0, handle((*Front).listUsers)},
		{get, "/users/{user}", "GetUser", key.GetUser, nil, 0, handle((*Front).user)},
		{del, "/users/{user}", "DeleteUser", key.DeleteUser, nil, 0, handle((*Front).deleteUser)},
		{put, "/users/{user}/policies/{policy}", "PutUserPolicy", key.PutUserPolicy, nil, 0, handle((*Front).putUserPolicy)},
		{del, "/users/{user}/policies/{policy}", "DeleteUserPolicy", key.DeleteUserPolicy, nil, 0, handle((*Front).deleteUserPolicy)},
		{post, "/users/{user}/access-keys", "CreateAccessKey", key.CreateAccessKey, nil, created, handle((*Front).createAccessKey)},
		{put, "/users/{user}/access-keys/{id}", "UpdateAccessKey", key.UpdateAccessKey, nil, 0, handle((*Front).updateAccessKey)},
		{del, "/users/{user}/access-keys/{id}", "DeleteAccessKey", key.DeleteAccessKey, nil, 0, handle((*Front).deleteAccessKey)},
	}
}

func serverOperations() []operation {
	return []operation{
		{get, "/audit", "ReadAudit", key.ReadAudit, paged("last", "since", "until", "action", "principal", "resource", "result", "request_id"), 0, handle((*Front).audit)},
		{get, "/version", "GetVersion", key.NoAction, nil, 0, handle((*Front).version)},
	}
}
