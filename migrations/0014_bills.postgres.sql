-- Bills of a customer and month. Times are UTC microseconds, amounts fen of RMB.

-- While status is 0 (draft) or 1 (reviewed) the figures are those of the last look at the usage; from 2 (finalised) on the
-- document is the bill, word for word, and only sent_at still changes. month is year x 12 + month - 1.
CREATE TABLE bills (
    id TEXT PRIMARY KEY,
    customer_id BIGINT NOT NULL,
    month BIGINT NOT NULL,
    status SMALLINT NOT NULL,
    net_fen BIGINT NOT NULL,
    tax_fen BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    usd_cny_e8 BIGINT NOT NULL,
    rate_source TEXT NOT NULL,
    vat_ppm BIGINT NOT NULL,
    drafted_at BIGINT NOT NULL,
    reviewed_at BIGINT NOT NULL,
    reviewed_by TEXT NOT NULL,
    finalised_at BIGINT NOT NULL,
    finalised_by TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (customer_id, month)
);

-- Parts of a final bill by project; they add up to it.
CREATE TABLE bill_shares (
    bill_id TEXT NOT NULL,
    project_code TEXT NOT NULL,
    net_fen BIGINT NOT NULL,
    tax_fen BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    PRIMARY KEY (bill_id, project_code)
);

-- Corrections of final bills: kind 0 credit note, 1 debit note; number counts those of one kind and bill from 1. reference is
-- the one who asked for it, so that asking again makes no second one; '' none.
CREATE TABLE bill_notes (
    id TEXT PRIMARY KEY,
    bill_id TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    number BIGINT NOT NULL,
    project_code TEXT NOT NULL,
    net_fen BIGINT NOT NULL,
    tax_fen BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    refund_fen BIGINT NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    issued_by TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (bill_id, kind, number)
);
CREATE UNIQUE INDEX bill_notes_by_reference ON bill_notes (bill_id, reference) WHERE reference <> '';

-- RMB for a dollar in 10^-8 on a day (since 1970-01-01). Bills rest on them: a row never changes.
CREATE TABLE fx_rates (
    day BIGINT PRIMARY KEY,
    usd_cny_e8 BIGINT NOT NULL,
    source TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL
);

CREATE FUNCTION bills_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a final bill never changes; correct it by a credit or debit note';
END;
$$;
CREATE TRIGGER bills_are_never_changed BEFORE UPDATE ON bills FOR EACH ROW
    WHEN (OLD.status >= 2 AND (NEW.status < OLD.status OR (NEW.id, NEW.customer_id, NEW.month, NEW.net_fen, NEW.tax_fen,
        NEW.total_fen, NEW.usd_cny_e8, NEW.rate_source, NEW.vat_ppm, NEW.finalised_at, NEW.due_at, NEW.document) IS DISTINCT
        FROM (OLD.id, OLD.customer_id, OLD.month, OLD.net_fen, OLD.tax_fen, OLD.total_fen, OLD.usd_cny_e8, OLD.rate_source,
        OLD.vat_ppm, OLD.finalised_at, OLD.due_at, OLD.document)))
    EXECUTE FUNCTION bills_refuse();
CREATE TRIGGER bills_are_never_deleted BEFORE DELETE ON bills FOR EACH ROW WHEN (OLD.status >= 2)
    EXECUTE FUNCTION bills_refuse();
CREATE TRIGGER bill_shares_are_never_changed BEFORE UPDATE OR DELETE ON bill_shares FOR EACH ROW
    EXECUTE FUNCTION bills_refuse();
CREATE TRIGGER bill_notes_are_never_changed BEFORE UPDATE OR DELETE ON bill_notes FOR EACH ROW
    EXECUTE FUNCTION bills_refuse();
