-- What was used, as the settler moved it out of the journal. Times are UTC microseconds; local_day is the day number (since
-- 1970-01-01) of a call's end in its customer's time zone. Amounts are exact: nano x 10^6 + femto, in 10^-15 of the currency
-- (0 USD, 1 CNY). Enumerations are the numbers of the journal format (docs/formats.md).

-- Texts that repeat in every event of a deployment and model.
CREATE TABLE usage_dimensions (
    id INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    upstream_model TEXT NOT NULL,
    deployment TEXT NOT NULL,
    provider TEXT NOT NULL,
    region TEXT NOT NULL,
    UNIQUE (model, upstream_model, deployment, provider, region)
) STRICT;

-- Append-only, in journal order, without secondary indexes: a random key would cost seven times the insert. A call is found by
-- the time in its id, see usage_chunks.
CREATE TABLE usage_events (
    sequence INTEGER PRIMARY KEY,
    id_high INTEGER NOT NULL,
    id_low INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    local_day INTEGER NOT NULL,
    endpoint INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    source INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    http_status INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_byte_ms INTEGER NOT NULL,
    price_version INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    charge_nano INTEGER NOT NULL,
    charge_femto INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    usage TEXT NOT NULL,
    end_user TEXT NOT NULL,
    upstream_request_id TEXT NOT NULL
) STRICT;

-- Stretches of events, in order and without gaps: which sequences a stretch holds, what part of the journal they came from
-- (events lie in [from_lsn, to_lsn)), and when their calls started. The last one grows until it is full.
CREATE TABLE usage_chunks (
    first_sequence INTEGER PRIMARY KEY,
    last_sequence INTEGER NOT NULL,
    from_lsn INTEGER NOT NULL,
    to_lsn INTEGER NOT NULL,
    first_started_ms INTEGER NOT NULL,
    last_started_ms INTEGER NOT NULL
) STRICT;

-- The zone that cut a customer's days, from the event first_sequence on. A change of zone leaves what is settled as it is.
CREATE TABLE usage_zones (
    customer_id INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    PRIMARY KEY (customer_id, first_sequence)
) STRICT, WITHOUT ROWID;

-- One row: how far the journal has been settled. Written with what was settled.
CREATE TABLE settle_position (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lsn INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL
) STRICT;
INSERT INTO settle_position (id, lsn, next_sequence) VALUES (1, 0, 1);

CREATE TABLE usage_daily (
    customer_id INTEGER NOT NULL,
    local_day INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    unconfirmed INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    fallback INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    charge_nano INTEGER NOT NULL,
    charge_femto INTEGER NOT NULL,
    PRIMARY KEY (customer_id, local_day, project_id, key_id, dimension_id, tier, currency)
) STRICT, WITHOUT ROWID;

-- Quantities by price: what bill lines are summed from. price_nano is in 10^-9 of the currency per million units, -1 unpriced.
CREATE TABLE usage_daily_lines (
    customer_id INTEGER NOT NULL,
    local_day INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL,
    tier INTEGER NOT NULL,
    meter INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    price_nano INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (customer_id, local_day, project_id, key_id, dimension_id, tier, meter, currency, price_nano)
) STRICT, WITHOUT ROWID;

-- The same by end user; '' is a call that named none.
CREATE TABLE usage_daily_end_users (
    customer_id INTEGER NOT NULL,
    local_day INTEGER NOT NULL,
    project_id INTEGER NOT NULL,
    key_id INTEGER NOT NULL,
    dimension_id INTEGER NOT NULL,
    end_user TEXT NOT NULL,
    tier INTEGER NOT NULL,
    currency INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    unconfirmed INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    fallback INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    charge_nano INTEGER NOT NULL,
    charge_femto INTEGER NOT NULL,
    PRIMARY KEY (customer_id, local_day, project_id, key_id, dimension_id, end_user, tier, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_daily_versions (
    customer_id INTEGER NOT NULL,
    local_day INTEGER NOT NULL,
    price_version INTEGER NOT NULL,
    PRIMARY KEY (customer_id, local_day, price_version)
) STRICT, WITHOUT ROWID;

-- The newest 100 calls of each customer.
CREATE TABLE recent_calls (
    customer_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (customer_id, sequence)
) STRICT, WITHOUT ROWID;
