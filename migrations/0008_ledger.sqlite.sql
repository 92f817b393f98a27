-- The double-entry ledger and the log that proves documents (docs/formats.md). Append-only: triggers refuse every change.
-- Times are UTC microseconds. An amount is amount_high x 10^9 + amount_low, 0 <= amount_low < 10^9, in 10^-15 of the
-- currency (0 USD, 1 CNY); debit is positive, credit negative. Hashes are SHA-256 in hexadecimal.

-- One account of the chart, of one customer (0: our own books), project (0: none), currency and subject ('': none).
CREATE TABLE ledger_accounts (
    id INTEGER PRIMARY KEY,
    code INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    subject TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_accounts_by_key ON ledger_accounts (customer_id, code, currency, project_id, subject);

-- A balanced transaction. number is 1, 2, 3, ... without gaps; hash binds it to the one before.
CREATE TABLE ledger_entries (
    number INTEGER PRIMARY KEY,
    booked_at INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    cause_kind INTEGER NOT NULL,
    cause_id TEXT NOT NULL,
    reverses INTEGER NOT NULL,
    details TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX ledger_entries_by_cause ON ledger_entries (cause_kind, cause_id);
CREATE INDEX ledger_entries_by_time ON ledger_entries (booked_at, number);

CREATE TABLE ledger_postings (
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    amount_high INTEGER NOT NULL,
    amount_low INTEGER NOT NULL,
    PRIMARY KEY (number, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_postings_by_account ON ledger_postings (account_id, number);

-- Balances after entry number, of the accounts that changed since the snapshot before.
CREATE TABLE ledger_snapshots (
    account_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    amount_high INTEGER NOT NULL,
    amount_low INTEGER NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

-- One row: length, last hash and last booking time of the chain, the last snapshot, and the entries that are in the
-- proof log. Writers queue on it.
CREATE TABLE ledger_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    hash TEXT NOT NULL,
    booked_at INTEGER NOT NULL,
    snapshot_number INTEGER NOT NULL,
    sealed_number INTEGER NOT NULL
) STRICT;
INSERT INTO ledger_head (id, entries, hash, booked_at, snapshot_number, sealed_number) VALUES (1, 0, '', 0, 0, 0);

-- Leaves of the Merkle log (RFC 6962), from 0 on. payload is base64.
CREATE TABLE proof_leaves (
    leaf_index INTEGER PRIMARY KEY,
    logged_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    document_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX proof_leaves_by_document ON proof_leaves (kind, document_id);

-- Hashes of complete subtrees: 2^level leaves from node_index x 2^level on; level is at least 1.
CREATE TABLE proof_nodes (
    level INTEGER NOT NULL,
    node_index INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (level, node_index)
) STRICT, WITHOUT ROWID;

-- Signed tree heads, each a signed note.
CREATE TABLE proof_heads (
    size INTEGER PRIMARY KEY,
    signed_at INTEGER NOT NULL,
    root TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;

CREATE TABLE proof_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    leaves INTEGER NOT NULL
) STRICT;
INSERT INTO proof_state (id, leaves) VALUES (1, 0);

CREATE TRIGGER ledger_accounts_is_never_changed BEFORE UPDATE ON ledger_accounts
BEGIN
    SELECT RAISE(ABORT, 'ledger_accounts is append-only');
END;
CREATE TRIGGER ledger_accounts_is_never_deleted BEFORE DELETE ON ledger_accounts
BEGIN
    SELECT RAISE(ABORT, 'ledger_accounts is append-only');
END;
CREATE TRIGGER ledger_entries_is_never_changed BEFORE UPDATE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'ledger_entries is append-only');
END;
CREATE TRIGGER ledger_entries_is_never_deleted BEFORE DELETE ON ledger_entries
BEGIN
    SELECT RAISE(ABORT, 'ledger_entries is append-only');
END;
CREATE TRIGGER ledger_postings_is_never_changed BEFORE UPDATE ON ledger_postings
BEGIN
    SELECT RAISE(ABORT, 'ledger_postings is append-only');
END;
CREATE TRIGGER ledger_postings_is_never_deleted BEFORE DELETE ON ledger_postings
BEGIN
    SELECT RAISE(ABORT, 'ledger_postings is append-only');
END;
CREATE TRIGGER ledger_snapshots_is_never_changed BEFORE UPDATE ON ledger_snapshots
BEGIN
    SELECT RAISE(ABORT, 'ledger_snapshots is append-only');
END;
CREATE TRIGGER ledger_snapshots_is_never_deleted BEFORE DELETE ON ledger_snapshots
BEGIN
    SELECT RAISE(ABORT, 'ledger_snapshots is append-only');
END;
CREATE TRIGGER proof_leaves_is_never_changed BEFORE UPDATE ON proof_leaves
BEGIN
    SELECT RAISE(ABORT, 'proof_leaves is append-only');
END;
CREATE TRIGGER proof_leaves_is_never_deleted BEFORE DELETE ON proof_leaves
BEGIN
    SELECT RAISE(ABORT, 'proof_leaves is append-only');
END;
CREATE TRIGGER proof_nodes_is_never_changed BEFORE UPDATE ON proof_nodes
BEGIN
    SELECT RAISE(ABORT, 'proof_nodes is append-only');
END;
CREATE TRIGGER proof_nodes_is_never_deleted BEFORE DELETE ON proof_nodes
BEGIN
    SELECT RAISE(ABORT, 'proof_nodes is append-only');
END;
CREATE TRIGGER proof_heads_is_never_changed BEFORE UPDATE ON proof_heads
BEGIN
    SELECT RAISE(ABORT, 'proof_heads is append-only');
END;
CREATE TRIGGER proof_heads_is_never_deleted BEFORE DELETE ON proof_heads
BEGIN
    SELECT RAISE(ABORT, 'proof_heads is append-only');
END;
