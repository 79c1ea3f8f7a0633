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
