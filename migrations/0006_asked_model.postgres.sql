-- What the client asked for, when another model served the call (a configured fallback); '' for all others.
ALTER TABLE usage_events ADD COLUMN asked_model TEXT NOT NULL DEFAULT '';
