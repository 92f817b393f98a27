-- How much may be called: tiers, and who is given which tier and limits. Limits are per sliding minute (concurrency: at once);
-- -1 is unlimited. Times are UTC microseconds.
CREATE TABLE tiers (
    code TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    requests INTEGER NOT NULL CHECK (requests >= -1),
    input_tokens INTEGER NOT NULL CHECK (input_tokens >= -1),
    output_tokens INTEGER NOT NULL CHECK (output_tokens >= -1),
    total_tokens INTEGER NOT NULL CHECK (total_tokens >= -1),
    concurrency INTEGER NOT NULL CHECK (concurrency >= -1),
    retention TEXT NOT NULL,
    support_response_minutes INTEGER NOT NULL,
    sla_availability_per_mille10 INTEGER NOT NULL,
    has_fine_tuning INTEGER NOT NULL CHECK (has_fine_tuning IN (0, 1)),
    discount_min_per_mille INTEGER NOT NULL,
    discount_max_per_mille INTEGER NOT NULL,
    dedicated_instances_max INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
INSERT INTO tiers VALUES
    ('tier_1', 'Tier 1', 500, -1, -1, 400000, -1, 'standard_30_days', 2880, 0, 0, 0, 0, 0, 0, 0),
    ('tier_2', 'Tier 2', 1000, -1, -1, 800000, -1, 'standard_30_days', 1440, 9900, 0, 0, 50, 0, 0, 0),
    ('tier_3', 'Tier 3', 2000, -1, -1, 1600000, -1, 'standard_30_days', 720, 9950, 1, 0, 100, 0, 0, 0),
    ('tier_4', 'Tier 4', 3000, -1, -1, 3000000, -1, 'seven_days', 240, 9990, 1, 50, 150, 1, 0, 0),
    ('tier_5', 'Tier 5', 5000, -1, -1, 5000000, -1, 'zero', 60, 9995, 1, 100, 200, 4, 0, 0),
    ('custom', 'Custom', 10000, -1, -1, 10000000, -1, 'zero', 30, 9997, 1, 150, 300, 16, 0, 0),
    ('unlimited', 'Unlimited', -1, -1, -1, -1, -1, 'zero', 30, 9997, 1, 150, 300, 16, 0, 0);

-- What is set for one subject: 'default' (customers without a tier), 'customer', 'project', 'key', 'model' (of all customers) or
-- 'customer_model'. subject_id is the row of a customer, project or key, of which rows are never deleted; else 0. A limit that is
-- NULL is the tier's.
CREATE TABLE limits (
    id INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    subject_id INTEGER NOT NULL,
    model TEXT NOT NULL,
    tier TEXT REFERENCES tiers (code),
    requests INTEGER CHECK (requests >= -1),
    input_tokens INTEGER CHECK (input_tokens >= -1),
    output_tokens INTEGER CHECK (output_tokens >= -1),
    total_tokens INTEGER CHECK (total_tokens >= -1),
    concurrency INTEGER CHECK (concurrency >= -1),
    weight INTEGER,
    priority TEXT,
    max_wait_ms INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (subject, subject_id, model)
) STRICT;
CREATE INDEX limits_by_tier ON limits (tier);
INSERT INTO limits (subject, subject_id, model, tier, created_at, updated_at) VALUES ('default', 0, '', 'unlimited', 0, 0);

-- One row. Grows with every change of tiers and limits, in the same transaction.
CREATE TABLE limits_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO limits_version (id, version) VALUES (1, 1);
