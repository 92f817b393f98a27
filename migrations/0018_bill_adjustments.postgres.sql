-- What people have added to bills that are not final yet. Times are UTC microseconds; month is year x 12 + month - 1; kind as the
-- items of a bill. cents are of the currency, without tax; below 0 the customer pays less. project_code '' is the whole customer,
-- reference '' none.
CREATE TABLE bill_adjustments (
    number BIGINT PRIMARY KEY,
    customer_id BIGINT NOT NULL,
    month BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    project_code TEXT NOT NULL,
    currency SMALLINT NOT NULL,
    cents BIGINT NOT NULL,
    text TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    cancelled_at BIGINT NOT NULL,
    cancelled_by TEXT NOT NULL
);
CREATE INDEX bill_adjustments_by_month ON bill_adjustments (month, customer_id);
CREATE UNIQUE INDEX bill_adjustments_by_reference ON bill_adjustments (customer_id, reference) WHERE reference <> '';

CREATE FUNCTION bill_adjustments_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an adjustment is cancelled, never changed';
END;
$$;
CREATE TRIGGER bill_adjustments_are_only_cancelled BEFORE UPDATE ON bill_adjustments FOR EACH ROW
    WHEN (OLD.cancelled_at <> 0 OR (NEW.number, NEW.customer_id, NEW.month, NEW.kind, NEW.project_code, NEW.currency, NEW.cents,
        NEW.text, NEW.reference, NEW.created_at, NEW.created_by) IS DISTINCT FROM (OLD.number, OLD.customer_id, OLD.month,
        OLD.kind, OLD.project_code, OLD.currency, OLD.cents, OLD.text, OLD.reference, OLD.created_at, OLD.created_by))
    EXECUTE FUNCTION bill_adjustments_refuse();
CREATE TRIGGER bill_adjustments_are_never_deleted BEFORE DELETE ON bill_adjustments FOR EACH ROW
    EXECUTE FUNCTION bill_adjustments_refuse();
