-- What people have added to bills that are not final yet. Times are UTC microseconds; month is year x 12 + month - 1; kind as the
-- items of a bill. cents are of the currency, without tax; below 0 the customer pays less. project_code '' is the whole customer,
-- reference '' none.
CREATE TABLE bill_adjustments (
    number INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL,
    month INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    project_code TEXT NOT NULL,
    currency INTEGER NOT NULL,
    cents INTEGER NOT NULL,
    text TEXT NOT NULL,
    reference TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    cancelled_at INTEGER NOT NULL,
    cancelled_by TEXT NOT NULL
) STRICT;
CREATE INDEX bill_adjustments_by_month ON bill_adjustments (month, customer_id);
CREATE UNIQUE INDEX bill_adjustments_by_reference ON bill_adjustments (customer_id, reference) WHERE reference <> '';

CREATE TRIGGER bill_adjustments_are_only_cancelled BEFORE UPDATE ON bill_adjustments
WHEN OLD.cancelled_at <> 0 OR NEW.number <> OLD.number OR NEW.customer_id <> OLD.customer_id OR NEW.month <> OLD.month
    OR NEW.kind <> OLD.kind OR NEW.project_code <> OLD.project_code OR NEW.currency <> OLD.currency OR NEW.cents <> OLD.cents
    OR NEW.text <> OLD.text OR NEW.reference <> OLD.reference OR NEW.created_at <> OLD.created_at
    OR NEW.created_by <> OLD.created_by
BEGIN
    SELECT RAISE(ABORT, 'an adjustment is cancelled, never changed');
END;
CREATE TRIGGER bill_adjustments_are_never_deleted BEFORE DELETE ON bill_adjustments
BEGIN
    SELECT RAISE(ABORT, 'an adjustment is cancelled, never changed');
END;
