-- What settles a debt or a claim without a bill: kind 0 writes a bill's debt off, 1 owes a customer's money back (from its wallet or
-- deposit), 2 pays back what is owed. Times are UTC microseconds, amounts fen of RMB. number counts from 1 without gaps. source: 0 none,
-- 1 wallet, 2 deposit. subject is the bill, or of kind 2 what is paid: a settlement, a part of a payment or a credit note. reference: of
-- kind 2 the bank's, else as bill_notes; '' none.
CREATE TABLE settlements (
    number BIGINT PRIMARY KEY,
    kind SMALLINT NOT NULL,
    customer_id BIGINT NOT NULL,
    source SMALLINT NOT NULL,
    subject TEXT NOT NULL,
    fen BIGINT NOT NULL,
    bank_account TEXT NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX settlements_by_customer ON settlements (customer_id);
CREATE UNIQUE INDEX settlements_by_reference ON settlements (kind, customer_id, subject, reference) WHERE reference <> '';

CREATE FUNCTION settlements_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a settlement is booked and never changed';
END;
$$;
CREATE TRIGGER settlements_are_never_changed BEFORE UPDATE OR DELETE ON settlements FOR EACH ROW
    EXECUTE FUNCTION settlements_refuse();
