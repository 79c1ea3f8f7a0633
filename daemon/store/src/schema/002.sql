-- Kept tickets, kept testbeds, reruns, priorities. Numbers that were handed out stay so when what had them is removed.

ALTER TABLE tickets ADD COLUMN keep_going INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN keep_failed TEXT NOT NULL DEFAULT 'newest';
ALTER TABLE tickets ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE tickets ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;

-- A rerun's test; whether it runs files of its owner's, and in which folder of the ticket's they are.
ALTER TABLE jobs ADD COLUMN rerun TEXT;
ALTER TABLE jobs ADD COLUMN dirty INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN staged BLOB;

ALTER TABLE attempts ADD COLUMN unresponsive INTEGER NOT NULL DEFAULT 0;
-- Bytes that the attempt's failed testbed takes, while it is kept.
ALTER TABLE attempts ADD COLUMN kept INTEGER;

-- The last numbers of what has been removed.
CREATE TABLE numbers (
    what TEXT PRIMARY KEY CHECK (what IN ('ticket', 'subticket', 'job')),
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
