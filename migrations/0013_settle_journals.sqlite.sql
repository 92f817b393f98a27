-- Several gateways, each with a journal of its own, settle into one store.

-- How far each journal has been settled. name is the one in the journal's directory (journal.id); '' is that of the only
-- journal of a store older than names, until the journal proves to be that one.
CREATE TABLE settle_journals (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    lsn INTEGER NOT NULL
) STRICT;
INSERT INTO settle_journals (id, name, lsn) SELECT 1, '', lsn FROM settle_position WHERE lsn > 0;

-- One row, which writers queue on: the number of the next event.
ALTER TABLE settle_position DROP COLUMN lsn;

-- Stretches follow each other in sequence; those of one journal follow each other in it.
ALTER TABLE usage_chunks ADD COLUMN journal_id INTEGER NOT NULL DEFAULT 1;
