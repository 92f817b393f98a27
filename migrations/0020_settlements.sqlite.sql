-- What settles a debt or a claim without a bill: kind 0 writes a bill's debt off, 1 owes a customer's money back (from its wallet or
-- deposit), 2 pays back what is owed. Times are UTC microseconds, amounts fen of RMB. number counts from 1 without gaps. source: 0 none,
-- 1 wallet, 2 deposit. subject is the bill, or of kind 2 what is paid: a settlement, a part of a payment or a credit note. reference: of
-- kind 2 the bank's, else as bill_notes; '' none.
CREATE TABLE settlements (
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    source INTEGER NOT NULL,
    subject TEXT NOT NULL,
    fen INTEGER NOT NULL,
    bank_account TEXT NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX settlements_by_customer ON settlements (customer_id);
CREATE UNIQUE INDEX settlements_by_reference ON settlements (kind, customer_id, subject, reference) WHERE reference <> '';

CREATE TRIGGER settlements_are_never_changed BEFORE UPDATE ON settlements
BEGIN
    SELECT RAISE(ABORT, 'a settlement is booked and never changed');
END;
CREATE TRIGGER settlements_are_never_deleted BEFORE DELETE ON settlements
BEGIN
    SELECT RAISE(ABORT, 'a settlement is booked and never changed');
END;
