-- What is agreed with customers. Days are numbers since 1970-01-01, in the customer's zone.

-- last_day is the natural end of the term, end_day an earlier one by termination; both are the last day the contract covers, and
-- 2147483647 where there is none. kind: 0 none, 1 one year, 2 three years.
CREATE TABLE contracts (
    id BIGINT PRIMARY KEY,
    customer_id BIGINT NOT NULL,
    code TEXT NOT NULL UNIQUE,
    kind SMALLINT NOT NULL,
    framework TEXT NOT NULL,
    first_day BIGINT NOT NULL,
    last_day BIGINT NOT NULL,
    end_day BIGINT NOT NULL,
    end_reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX contracts_by_customer ON contracts (customer_id);

-- Terms from a day on: on any day those of the highest version that has begun. A row never changes.
CREATE TABLE contract_versions (
    contract_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    from_day BIGINT NOT NULL,
    terms TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (contract_id, version)
);

-- What a final bill counts towards a commitment whose period began on first_day.
CREATE TABLE bill_commitments (
    bill_id TEXT NOT NULL,
    customer_id BIGINT NOT NULL,
    contract_id BIGINT NOT NULL,
    first_day BIGINT NOT NULL,
    month BIGINT NOT NULL,
    spent_cents BIGINT NOT NULL,
    PRIMARY KEY (bill_id, contract_id, first_day)
);
CREATE INDEX bill_commitments_by_contract ON bill_commitments (contract_id, first_day);

CREATE FUNCTION contracts_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a contract is changed by an amendment only, and ended once';
END;
$$;
CREATE TRIGGER contracts_are_never_changed BEFORE UPDATE ON contracts FOR EACH ROW
    WHEN ((NEW.id, NEW.customer_id, NEW.code, NEW.kind, NEW.framework, NEW.first_day, NEW.last_day, NEW.created_at,
        NEW.created_by) IS DISTINCT FROM (OLD.id, OLD.customer_id, OLD.code, OLD.kind, OLD.framework, OLD.first_day,
        OLD.last_day, OLD.created_at, OLD.created_by) OR OLD.end_day <> OLD.last_day)
    EXECUTE FUNCTION contracts_refuse();
CREATE TRIGGER contracts_are_never_deleted BEFORE DELETE ON contracts FOR EACH ROW
    EXECUTE FUNCTION contracts_refuse();
CREATE TRIGGER contract_versions_are_never_changed BEFORE UPDATE OR DELETE ON contract_versions FOR EACH ROW
    EXECUTE FUNCTION contracts_refuse();
CREATE TRIGGER bill_commitments_are_never_changed BEFORE UPDATE OR DELETE ON bill_commitments FOR EACH ROW
    EXECUTE FUNCTION bills_refuse();
