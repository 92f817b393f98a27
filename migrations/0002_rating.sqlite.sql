-- The price book. A version is a publication of the whole book with its history; a row belongs to version v when
-- since_version <= v < until_version. Rows are only ever added or, by a later publication, ended: what an earlier version
-- says never changes.
CREATE TABLE price_versions (
    id BIGINT NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    note TEXT NOT NULL,
    source TEXT NOT NULL,
    source_sha256 TEXT NOT NULL,
    book_sha256 TEXT NOT NULL,
    price_count BIGINT NOT NULL
);

CREATE TABLE model_prices (
    id BIGINT NOT NULL PRIMARY KEY,
    since_version BIGINT NOT NULL REFERENCES price_versions (id),
    until_version BIGINT REFERENCES price_versions (id),
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    currency TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT,
    mode TEXT NOT NULL,
    source TEXT NOT NULL,
    max_input_tokens BIGINT NOT NULL,
    max_output_tokens BIGINT NOT NULL,
    max_nano_per_m BIGINT NOT NULL,
    is_manual SMALLINT NOT NULL,
    UNIQUE (model, provider, valid_from, since_version)
);
CREATE INDEX model_prices_until ON model_prices (until_version);

CREATE TABLE price_components (
    model_price_id BIGINT NOT NULL REFERENCES model_prices (id),
    position BIGINT NOT NULL,
    meter TEXT NOT NULL,
    tier TEXT NOT NULL,
    band_tokens BIGINT,
    band_operator TEXT,
    nano_per_m BIGINT NOT NULL,
    is_free SMALLINT NOT NULL,
    PRIMARY KEY (model_price_id, position)
);

CREATE TABLE price_multipliers (
    model_price_id BIGINT NOT NULL REFERENCES model_prices (id),
    kind TEXT NOT NULL CHECK (kind IN ('tier', 'region')),
    name TEXT NOT NULL,
    ppm BIGINT NOT NULL,
    PRIMARY KEY (model_price_id, kind, name)
);
