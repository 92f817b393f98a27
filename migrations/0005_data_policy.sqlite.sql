-- Where calls may be processed and what may be kept of them. A customer's policy holds for all its projects, which may narrow it.
-- regions: NULL is anywhere, else names with commas between them; '' is nowhere. Pools: '' is none.
ALTER TABLE customers ADD COLUMN zero_retention INTEGER NOT NULL DEFAULT 0 CHECK (zero_retention IN (0, 1));
ALTER TABLE customers ADD COLUMN allow_web_search INTEGER NOT NULL DEFAULT 0 CHECK (allow_web_search IN (0, 1));
ALTER TABLE customers ADD COLUMN keep_end_user INTEGER NOT NULL DEFAULT 0 CHECK (keep_end_user IN (0, 1));
ALTER TABLE customers ADD COLUMN regions TEXT;
ALTER TABLE customers ADD COLUMN pool TEXT NOT NULL DEFAULT '';
ALTER TABLE customers ADD COLUMN pool_on_request TEXT NOT NULL DEFAULT '';

ALTER TABLE projects ADD COLUMN zero_retention INTEGER NOT NULL DEFAULT 0 CHECK (zero_retention IN (0, 1));
ALTER TABLE projects ADD COLUMN allow_web_search INTEGER NOT NULL DEFAULT 0 CHECK (allow_web_search IN (0, 1));
ALTER TABLE projects ADD COLUMN keep_end_user INTEGER NOT NULL DEFAULT 0 CHECK (keep_end_user IN (0, 1));
ALTER TABLE projects ADD COLUMN regions TEXT;
ALTER TABLE projects ADD COLUMN pool TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN pool_on_request TEXT NOT NULL DEFAULT '';
