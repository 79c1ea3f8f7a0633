-- dep8 to the letter: how tests are run, and what is known of them beside their results.

-- How its tests are run: one JSON text (rows/test_options.rs); none where nothing was said.
ALTER TABLE tickets ADD COLUMN test_options TEXT;

-- What a test was run once more for: asked, repeat, baseline; none of jobs that are none, and of those of before.
ALTER TABLE jobs ADD COLUMN purpose TEXT;

-- Tickets that were made of results of tests that others have run: the folder, file or URL, and the format.
CREATE TABLE imported_results (
    ticket INTEGER PRIMARY KEY REFERENCES tickets (id),
    place TEXT NOT NULL,
    format TEXT NOT NULL,
    imported_at INTEGER NOT NULL
) STRICT;

-- The lines of logs that matter. `file` is relative to the source's tree where the source has it.
CREATE TABLE log_findings (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    test TEXT,
    severity TEXT NOT NULL CHECK (severity IN ('error', 'warning', 'note')),
    tool TEXT NOT NULL,
    message TEXT NOT NULL,
    file TEXT,
    in_source INTEGER NOT NULL,
    line INTEGER,
    column INTEGER,
    declared INTEGER NOT NULL,
    log_line INTEGER,
    count INTEGER NOT NULL,
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT;
CREATE INDEX log_findings_job ON log_findings (job, attempt);
