package embedded

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// applicationID marks a SQLite file as a store of Holdfast (PRAGMA
// application_id, bytes 68 to 71 of the file): "HFST".
const applicationID = 0x48465354

// migrations brings a file from each version to the next: the statements at
// index n make version n+1 out of version n (PRAGMA user_version). They are
// frozen: a change of the schema is a new entry, never a change of an old one.
//
// Tables have an implicit rowid, which keeps rows of a kilobyte out of the
// B-tree that finds them by id (WITHOUT ROWID costs four times the CPU). The
// table of terms, whose bodies are empty, is that B-tree alone. Each column's
// index ends in the id, so that it alone gives the order that store.Query
// promises.
func migrations() []string {
	return []string{`
CREATE TABLE "settings" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE "keys" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "keys_scope" ON "keys" ("scope", id);
CREATE INDEX "keys_due" ON "keys" ("due", id);

CREATE TABLE "materials" (id TEXT NOT NULL PRIMARY KEY, "key" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "materials_key" ON "materials" ("key", id);

CREATE TABLE "aliases" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "target" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "aliases_scope" ON "aliases" ("scope", id);
CREATE INDEX "aliases_target" ON "aliases" ("target", id);

CREATE TABLE "users" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "users_realm" ON "users" ("realm", id);

CREATE TABLE "access_keys" (id TEXT NOT NULL PRIMARY KEY, "user" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "access_keys_user" ON "access_keys" ("user", id);

CREATE TABLE "authorities" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "authorities_realm" ON "authorities" ("realm", id);
CREATE INDEX "authorities_due" ON "authorities" ("due", id);

CREATE TABLE "certificates" (id TEXT NOT NULL PRIMARY KEY, "authority" TEXT NOT NULL, "expires" TEXT NOT NULL, "revoked" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "certificates_authority" ON "certificates" ("authority", id);
CREATE INDEX "certificates_expires" ON "certificates" ("expires", id);
CREATE INDEX "certificates_revoked" ON "certificates" ("revoked", id);
`, `
CREATE TABLE "revocations" (id TEXT NOT NULL PRIMARY KEY, "changed" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "revocations_changed" ON "revocations" ("changed", id);

CREATE TABLE "terms" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE "found" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "found_expires" ON "found" ("expires", id);

CREATE TABLE "profiles" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE "managed" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "managed_scope" ON "managed" ("scope", id);
CREATE INDEX "managed_due" ON "managed" ("due", id);

CREATE TABLE "tokens" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "tokens_expires" ON "tokens" ("expires", id);

CREATE TABLE "reports" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL);
` + certificatesOfVersion2, version3, version4}
}

// version3 adds what keys from elsewhere and hardware need.
const version3 = `
CREATE TABLE "imports" (id TEXT NOT NULL PRIMARY KEY, "key" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "imports_key" ON "imports" ("key", id);

CREATE TABLE "key_stores" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "key_stores_scope" ON "key_stores" ("scope", id);

CREATE TABLE "clusters" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "clusters_scope" ON "clusters" ("scope", id);

CREATE TABLE "backups" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "backups_scope" ON "backups" ("scope", id);
CREATE INDEX "backups_due" ON "backups" ("due", id);
`

// version4 adds what the clock, governance and the services around keys need.
const version4 = `
CREATE TABLE "roles" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "roles_realm" ON "roles" ("realm", id);

CREATE TABLE "issuers" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "issuers_realm" ON "issuers" ("realm", id);

CREATE TABLE "factors" (id TEXT NOT NULL PRIMARY KEY, "user" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "factors_user" ON "factors" ("user", id);

CREATE TABLE "approvals" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "approvals_realm" ON "approvals" ("realm", id);
CREATE INDEX "approvals_due" ON "approvals" ("due", id);

CREATE TABLE "leases" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE "events" (id TEXT NOT NULL PRIMARY KEY, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "events_due" ON "events" ("due", id);

CREATE TABLE "notices" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "due" TEXT NOT NULL, "lane" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "notices_scope" ON "notices" ("scope", id);
CREATE INDEX "notices_lane" ON "notices" ("lane", id);
CREATE INDEX "notices_due" ON "notices" ("due", id);

CREATE TABLE "secrets" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, "due" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "secrets_scope" ON "secrets" ("scope", id);
CREATE INDEX "secrets_due" ON "secrets" ("due", id);

CREATE TABLE "secret_versions" (id TEXT NOT NULL PRIMARY KEY, "secret" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "secret_versions_secret" ON "secret_versions" ("secret", id);

CREATE TABLE "topics" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "topics_scope" ON "topics" ("scope", id);

CREATE TABLE "subscriptions" (id TEXT NOT NULL PRIMARY KEY, "topic" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "subscriptions_topic" ON "subscriptions" ("topic", id);

CREATE TABLE "messages" (id TEXT NOT NULL PRIMARY KEY, "due" TEXT NOT NULL, "failed" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "messages_due" ON "messages" ("due", id);
CREATE INDEX "messages_failed" ON "messages" ("failed", id);

CREATE TABLE "trails" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "trails_scope" ON "trails" ("scope", id);

CREATE TABLE "alarms" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "alarms_scope" ON "alarms" ("scope", id);

CREATE TABLE "alarm_changes" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "alarm_changes_expires" ON "alarm_changes" ("expires", id);

CREATE TABLE "metrics" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "metrics_expires" ON "metrics" ("expires", id);

CREATE TABLE "rotations" (id TEXT NOT NULL PRIMARY KEY, "realm" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "rotations_realm" ON "rotations" ("realm", id);

CREATE TABLE "deployments" (id TEXT NOT NULL PRIMARY KEY, "scope" TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX "deployments_scope" ON "deployments" ("scope", id);

CREATE TABLE "sinks" (id TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL);
`

// certificatesOfVersion2 brings the certificates of version 1 to version 2:
// the id's prefix tells the authority and revocations are rows of their own,
// so that issuing keeps one index and not three; expires becomes "authority
// id/time" with 14 digits. The bodies, JSON with whole certificates, stay as
// they are: package ca reads them. It writes revocations as this does.
//
// The rows are copied twice because RENAME TO and DROP COLUMN leave the
// connection with a statement open, which keeps the log from being emptied.
const certificatesOfVersion2 = `
INSERT INTO "revocations" (id, "changed", body)
SELECT substr(id, 1, instr(id, '/')) || substr(id, instr(id, '/')), "revoked",
	CAST('1 ' || unixepoch(substr("revoked", instr("revoked", '/') + 1)) || ' ' ||
		coalesce(json_extract(CAST(body AS TEXT), '$.reason'), 0) || ' ' || unixepoch("expires") AS BLOB)
FROM "certificates" WHERE "revoked" <> '';

CREATE TABLE "certificates_moved" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
INSERT INTO "certificates_moved" (id, "expires", body)
SELECT id, substr(id, 1, instr(id, '/')) || strftime('%Y%m%d%H%M%S', "expires"), body
FROM "certificates" ORDER BY id;
DROP TABLE "certificates";
CREATE TABLE "certificates" (id TEXT NOT NULL PRIMARY KEY, "expires" TEXT NOT NULL, body BLOB NOT NULL);
INSERT INTO "certificates" SELECT * FROM "certificates_moved";
DROP TABLE "certificates_moved";
CREATE INDEX "certificates_expires" ON "certificates" ("expires", id);
`

// migrate brings the file, which is empty or a store, to the version that the
// steps lead to. A step happens whole or not at all.
func migrate(ctx context.Context, conn *sql.Conn, steps []string) error {
	version, err := identify(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(steps) {
		return fault.New(fault.Unsupported,
			"the store has format version %d, made by a newer Holdfast; this one reads versions up to %d", version, len(steps))
	}
	for ; version < len(steps); version++ {
		if err := step(ctx, conn, steps[version], version+1); err != nil {
			return fmt.Errorf("bringing the store to format version %d: %w", version+1, classify(err))
		}
	}
	return nil
}

// step runs one migration. The marks of the file are part of it.
func step(ctx context.Context, conn *sql.Conn, statements string, version int) (err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // err is the one to tell
		}
	}()
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version)
	if _, err := tx.ExecContext(ctx, marks); err != nil {
		return err
	}
	return tx.Commit()
}

// identify returns the version of a store, 0 for an empty file, or an error
// for the file of another program.
func identify(ctx context.Context, conn *sql.Conn) (version int, err error) {
	var pages, id int
	for pragma, value := range map[string]*int{"page_count": &pages, "application_id": &id, "user_version": &version} {
		if err := conn.QueryRowContext(ctx, "PRAGMA "+pragma).Scan(value); err != nil {
			return 0, classify(err)
		}
	}
	switch {
	case pages == 0:
		return 0, nil
	case id != applicationID || version < 1:
		return 0, fault.New(fault.InvalidArgument, "the file is not a store of Holdfast")
	}
	return version, nil
}
