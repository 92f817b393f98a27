-- What is agreed with customers. Days are numbers since 1970-01-01, in the customer's zone.

-- last_day is the natural end of the term, end_day an earlier one by termination; both are the last day the contract covers, and
-- 2147483647 where there is none. kind: 0 none, 1 one year, 2 three years.
CREATE TABLE contracts (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    code TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    framework TEXT NOT NULL,
    first_day INTEGER NOT NULL,
    last_day INTEGER NOT NULL,
    end_day INTEGER NOT NULL,
    end_reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX contracts_by_customer ON contracts (customer_id);

-- Terms from a day on: on any day those of the highest version that has begun. A row never changes.
CREATE TABLE contract_versions (
    contract_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    from_day INTEGER NOT NULL,
    terms TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (contract_id, version)
) STRICT;

-- What a final bill counts towards a commitment whose period began on first_day.
CREATE TABLE bill_commitments (
    bill_id TEXT NOT NULL,
    customer_id INTEGER NOT NULL,
    contract_id INTEGER NOT NULL,
    first_day INTEGER NOT NULL,
    month INTEGER NOT NULL,
    spent_cents INTEGER NOT NULL,
    PRIMARY KEY (bill_id, contract_id, first_day)
) STRICT;
CREATE INDEX bill_commitments_by_contract ON bill_commitments (contract_id, first_day);

CREATE TRIGGER contracts_are_never_changed BEFORE UPDATE ON contracts
WHEN (NEW.id, NEW.customer_id, NEW.code, NEW.kind, NEW.framework, NEW.first_day, NEW.last_day, NEW.created_at,
    NEW.created_by) <> (OLD.id, OLD.customer_id, OLD.code, OLD.kind, OLD.framework, OLD.first_day, OLD.last_day,
    OLD.created_at, OLD.created_by) OR OLD.end_day <> OLD.last_day
BEGIN
    SELECT RAISE(ABORT, 'a contract is changed by an amendment only, and ended once');
END;
CREATE TRIGGER contracts_are_never_deleted BEFORE DELETE ON contracts
BEGIN
    SELECT RAISE(ABORT, 'a contract is changed by an amendment only, and ended once');
END;
CREATE TRIGGER contract_versions_are_never_changed BEFORE UPDATE ON contract_versions
BEGIN
    SELECT RAISE(ABORT, 'a contract is changed by an amendment only, and ended once');
END;
CREATE TRIGGER contract_versions_are_never_deleted BEFORE DELETE ON contract_versions
BEGIN
    SELECT RAISE(ABORT, 'a contract is changed by an amendment only, and ended once');
END;
CREATE TRIGGER bill_commitments_are_never_changed BEFORE UPDATE ON bill_commitments
BEGIN
    SELECT RAISE(ABORT, 'a final bill never changes; correct it by a credit or debit note');
END;
CREATE TRIGGER bill_commitments_are_never_deleted BEFORE DELETE ON bill_commitments
BEGIN
    SELECT RAISE(ABORT, 'a final bill never changes; correct it by a credit or debit note');
END;
