-- VAT invoices, and whom they are made out to. Times are UTC microseconds, amounts fen of RMB; days are numbers since 1970-01-01.

-- Buyers as they stand on invoices (抬头). number counts from 1; a row is given up, never changed. reference as bill_notes.
CREATE TABLE invoice_titles (
    number BIGINT PRIMARY KEY,
    customer_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    tax_number TEXT NOT NULL,
    address TEXT NOT NULL,
    phone TEXT NOT NULL,
    bank_name TEXT NOT NULL,
    bank_account TEXT NOT NULL,
    email TEXT NOT NULL,
    is_general_taxpayer SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    retired_at BIGINT NOT NULL,
    retired_by TEXT NOT NULL
);
CREATE INDEX invoice_titles_by_customer ON invoice_titles (customer_id);

-- kind: 0 special, 1 normal. form: 0 digital, 1 paper. colour: 0 blue, 1 red, which takes back (part of) blue_id. day and number make
-- the id: numbers of a day have no gap. seller is a JSON object. state: 0 requested, 1 sent (or it may have been), 2 issuing,
-- 3 confirming (a red one waits for the buyer), 4 issued, 5 failed, 6 cancelled. serial is what the platform knows the request by,
-- platform_key what it answered. official_number is the tax office's; files where its originals are; document the invoice word for
-- word: all three '' until it is issued.
CREATE TABLE invoices (
    id TEXT PRIMARY KEY,
    day BIGINT NOT NULL,
    number BIGINT NOT NULL,
    customer_id BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    form SMALLINT NOT NULL,
    colour SMALLINT NOT NULL,
    platform TEXT NOT NULL,
    title_number BIGINT NOT NULL,
    seller TEXT NOT NULL,
    blue_id TEXT NOT NULL,
    red_reason SMALLINT NOT NULL,
    net_fen BIGINT NOT NULL,
    tax_fen BIGINT NOT NULL,
    total_fen BIGINT NOT NULL,
    remark TEXT NOT NULL,
    reference TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    state SMALLINT NOT NULL,
    state_at BIGINT NOT NULL,
    serial TEXT NOT NULL,
    platform_key TEXT NOT NULL,
    tries SMALLINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    failure TEXT NOT NULL,
    official_number TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    files TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (day, number)
);
CREATE INDEX invoices_by_customer ON invoices (customer_id, day, number);
CREATE INDEX invoices_by_blue ON invoices (blue_id) WHERE blue_id <> '';
CREATE INDEX invoices_under_way ON invoices (next_try_at) WHERE state < 4;
CREATE UNIQUE INDEX invoices_by_reference ON invoices (customer_id, reference) WHERE reference <> '';
CREATE UNIQUE INDEX invoices_by_official_number ON invoices (official_number) WHERE official_number <> '';

-- What of which bill stands on an invoice; of a red one, below 0. line counts from 1.
CREATE TABLE invoice_lines (
    invoice_id TEXT NOT NULL,
    line BIGINT NOT NULL,
    bill_id TEXT NOT NULL,
    project_code TEXT NOT NULL,
    name TEXT NOT NULL,
    tax_code TEXT NOT NULL,
    vat_ppm BIGINT NOT NULL,
    net_fen BIGINT NOT NULL,
    tax_fen BIGINT NOT NULL,
    PRIMARY KEY (invoice_id, line)
);
CREATE INDEX invoice_lines_by_bill ON invoice_lines (bill_id, project_code);

CREATE FUNCTION invoice_titles_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a title is retired, never changed';
END;
$$;
CREATE TRIGGER invoice_titles_are_only_retired BEFORE UPDATE ON invoice_titles FOR EACH ROW
    WHEN (OLD.retired_at <> 0 OR (NEW.number, NEW.customer_id, NEW.name, NEW.tax_number, NEW.address, NEW.phone, NEW.bank_name,
        NEW.bank_account, NEW.email, NEW.is_general_taxpayer, NEW.created_at, NEW.created_by) IS DISTINCT FROM (OLD.number,
        OLD.customer_id, OLD.name, OLD.tax_number, OLD.address, OLD.phone, OLD.bank_name, OLD.bank_account, OLD.email,
        OLD.is_general_taxpayer, OLD.created_at, OLD.created_by))
    EXECUTE FUNCTION invoice_titles_refuse();
CREATE TRIGGER invoice_titles_are_never_deleted BEFORE DELETE ON invoice_titles FOR EACH ROW
    EXECUTE FUNCTION invoice_titles_refuse();

CREATE FUNCTION invoices_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an invoice never changes; take it back by a red-letter invoice';
END;
$$;
CREATE TRIGGER invoices_are_never_changed BEFORE UPDATE ON invoices FOR EACH ROW
    WHEN ((OLD.state >= 4 AND NOT (OLD.state = 4 AND NEW.state = 6 AND OLD.form = 1 AND (NEW.official_number, NEW.issued_at,
        NEW.document) IS NOT DISTINCT FROM (OLD.official_number, OLD.issued_at, OLD.document))) OR (NEW.id, NEW.day, NEW.number,
        NEW.customer_id, NEW.kind, NEW.form, NEW.colour, NEW.platform, NEW.title_number, NEW.seller, NEW.blue_id,
        NEW.red_reason, NEW.net_fen, NEW.tax_fen, NEW.total_fen, NEW.remark, NEW.reference, NEW.requested_at, NEW.requested_by)
        IS DISTINCT FROM (OLD.id, OLD.day, OLD.number, OLD.customer_id, OLD.kind, OLD.form, OLD.colour, OLD.platform,
        OLD.title_number, OLD.seller, OLD.blue_id, OLD.red_reason, OLD.net_fen, OLD.tax_fen, OLD.total_fen, OLD.remark,
        OLD.reference, OLD.requested_at, OLD.requested_by))
    EXECUTE FUNCTION invoices_refuse();
CREATE TRIGGER invoices_are_never_deleted BEFORE DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION invoices_refuse();
CREATE TRIGGER invoice_lines_are_never_changed BEFORE UPDATE OR DELETE ON invoice_lines FOR EACH ROW
    EXECUTE FUNCTION invoices_refuse();

-- What a platform's clients sign in with; it may not be asked for often. expires_at is when it ends.
CREATE TABLE invoice_platform_tokens (
    platform TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
