-- Money that came in, and what it was used for. Amounts are fen of RMB; days are numbers since 1970-01-01.

-- One imported file; id is its SHA-256. opening_fen and closing_fen are NULL where the file has none.
CREATE TABLE bank_statements (
    id TEXT PRIMARY KEY,
    bank_account TEXT NOT NULL,
    format TEXT NOT NULL,
    opening_fen BIGINT,
    closing_fen BIGINT,
    rows BIGINT NOT NULL,
    imported_at BIGINT NOT NULL,
    imported_by TEXT NOT NULL
);

-- number counts from 1 without gaps. A row of a statement is known by account and fingerprint, of which several may be equal (two
-- transfers of the same sum on a day): occurrence counts them from 1. statement_id is '' for what was recorded by hand.
CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    bank_account TEXT NOT NULL,
    method SMALLINT NOT NULL,
    fen BIGINT NOT NULL,
    value_day BIGINT NOT NULL,
    reference TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    payer_account TEXT NOT NULL,
    remittance TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    occurrence BIGINT NOT NULL,
    statement_id TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    recorded_by TEXT NOT NULL,
    UNIQUE (bank_account, fingerprint, occurrence)
);

-- Parts of a payment. kind: 0 bill, 1 wallet, 2 deposit, 3 refund; number counts those of one payment from 1. rule: 0 by hand, else
-- the rule that matched.
CREATE TABLE payment_allocations (
    id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    customer_id BIGINT NOT NULL,
    bill_id TEXT NOT NULL,
    fen BIGINT NOT NULL,
    fee_fen BIGINT NOT NULL,
    rule SMALLINT NOT NULL,
    allocated_at BIGINT NOT NULL,
    allocated_by TEXT NOT NULL,
    UNIQUE (payment_id, number)
);
CREATE INDEX payment_allocations_by_bill ON payment_allocations (bill_id);

CREATE FUNCTION payments_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'money that came in is never changed';
END;
$$;
CREATE TRIGGER bank_statements_are_never_changed BEFORE UPDATE OR DELETE ON bank_statements FOR EACH ROW
    EXECUTE FUNCTION payments_refuse();
CREATE TRIGGER payments_are_never_changed BEFORE UPDATE OR DELETE ON payments FOR EACH ROW
    EXECUTE FUNCTION payments_refuse();
CREATE TRIGGER payment_allocations_are_never_changed BEFORE UPDATE OR DELETE ON payment_allocations FOR EACH ROW
    EXECUTE FUNCTION payments_refuse();
