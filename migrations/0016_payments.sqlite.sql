-- Money that came in, and what it was used for. Amounts are fen of RMB; days are numbers since 1970-01-01.

-- One imported file; id is its SHA-256. opening_fen and closing_fen are NULL where the file has none.
CREATE TABLE bank_statements (
    id TEXT PRIMARY KEY,
    bank_account TEXT NOT NULL,
    format TEXT NOT NULL,
    opening_fen INTEGER,
    closing_fen INTEGER,
    rows INTEGER NOT NULL,
    imported_at INTEGER NOT NULL,
    imported_by TEXT NOT NULL
) STRICT;

-- number counts from 1 without gaps. A row of a statement is known by account and fingerprint, of which several may be equal (two
-- transfers of the same sum on a day): occurrence counts them from 1. statement_id is '' for what was recorded by hand.
CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    bank_account TEXT NOT NULL,
    method INTEGER NOT NULL,
    fen INTEGER NOT NULL,
    value_day INTEGER NOT NULL,
    reference TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    payer_account TEXT NOT NULL,
    remittance TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    statement_id TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    recorded_by TEXT NOT NULL,
    UNIQUE (bank_account, fingerprint, occurrence)
) STRICT;

-- Parts of a payment. kind: 0 bill, 1 wallet, 2 deposit, 3 refund; number counts those of one payment from 1. rule: 0 by hand, else
-- the rule that matched.
CREATE TABLE payment_allocations (
    id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    bill_id TEXT NOT NULL,
    fen INTEGER NOT NULL,
    fee_fen INTEGER NOT NULL,
    rule INTEGER NOT NULL,
    allocated_at INTEGER NOT NULL,
    allocated_by TEXT NOT NULL,
    UNIQUE (payment_id, number)
) STRICT;
CREATE INDEX payment_allocations_by_bill ON payment_allocations (bill_id);

CREATE TRIGGER bank_statements_are_never_changed BEFORE UPDATE ON bank_statements
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
CREATE TRIGGER bank_statements_are_never_deleted BEFORE DELETE ON bank_statements
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
CREATE TRIGGER payments_are_never_changed BEFORE UPDATE ON payments
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
CREATE TRIGGER payments_are_never_deleted BEFORE DELETE ON payments
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
CREATE TRIGGER payment_allocations_are_never_changed BEFORE UPDATE ON payment_allocations
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
CREATE TRIGGER payment_allocations_are_never_deleted BEFORE DELETE ON payment_allocations
BEGIN
    SELECT RAISE(ABORT, 'money that came in is never changed');
END;
