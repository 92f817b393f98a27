-- Who may call, who pays, and who changed what. Times are UTC microseconds, flags are 0 or 1.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    department TEXT NOT NULL,
    environment TEXT NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (customer_id, code)
) STRICT;

-- hash is the SHA-256 of the whole key in hexadecimal; the key itself is never kept. Rows are disabled, never deleted.
CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY,
    project_id INTEGER REFERENCES projects (id),
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    expires_at INTEGER,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    rotated_from INTEGER REFERENCES api_keys (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX api_keys_by_project ON api_keys (project_id, id);

CREATE TABLE admin_tokens (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    expires_at INTEGER,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- One row. Grows with every change of customers, projects and keys, in the same transaction.
CREATE TABLE directory_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO directory_version (id, version) VALUES (1, 1);

-- Append-only. hash is the SHA-256 over the previous row's hash and this row's fields.
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_by_subject ON audit_log (subject_kind, subject_id, id);
CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
CREATE TRIGGER audit_log_is_never_deleted BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- One row: length and last hash of the chain, so that a cut end is noticed. Writers queue on it.
CREATE TABLE audit_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;
INSERT INTO audit_head (id, entries, hash) VALUES (1, 0, '');

-- What a repeated create made the first time; holds no secret and no body.
CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    token TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (actor, token)
) STRICT;
CREATE INDEX idempotency_by_time ON idempotency (created_at);
