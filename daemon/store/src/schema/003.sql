-- Where packages come from, and where they go.

-- A ticket's package sources as JSON; none for the archive as the base image has it.
ALTER TABLE tickets ADD COLUMN package_sources TEXT;

-- What attempts revealed besides their outcomes. Lists of words have a line end between them.
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    test TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('network', 'fetch', 'unlisted')),
    declared INTEGER NOT NULL,
    log_line INTEGER,
    count INTEGER NOT NULL,
    -- network: whom, and the process where it is known
    protocol TEXT,
    destination TEXT,
    name TEXT,
    port INTEGER,
    pid INTEGER,
    uid INTEGER,
    process TEXT,
    command_line TEXT,
    parents TEXT,
    -- fetch
    url TEXT,
    reason TEXT,
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT;
CREATE INDEX findings_job ON findings (job, attempt);

-- Whether files of an ended ticket were freed.
ALTER TABLE tickets ADD COLUMN artifacts_gone INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN sources_gone INTEGER NOT NULL DEFAULT 0;

-- Tickets that come from another machine: its name, their number there, and when they were exported.
CREATE TABLE imports (
    ticket INTEGER PRIMARY KEY REFERENCES tickets (id),
    host TEXT NOT NULL,
    number INTEGER NOT NULL,
    exported_at INTEGER NOT NULL
) STRICT;

-- Every move of a link, oldest first; where it points follows from them. The tickets may have been removed since.
CREATE TABLE link_moves (
    id INTEGER PRIMARY KEY,
    link TEXT NOT NULL,
    from_ticket INTEGER,
    from_generation TEXT,
    to_ticket INTEGER,
    to_generation TEXT,
    is_rollback INTEGER NOT NULL,
    mover TEXT NOT NULL,
    why TEXT,
    moved_at INTEGER NOT NULL,
    CHECK ((from_ticket IS NULL) = (from_generation IS NULL)),
    CHECK ((to_ticket IS NULL) = (to_generation IS NULL))
) STRICT;

-- The PPA pool. A repository is of one ticket or of none.
CREATE TABLE pool (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    ticket INTEGER,
    since INTEGER NOT NULL,
    CHECK ((state = 'reserved') = (ticket IS NOT NULL))
) STRICT;

-- The PPAs that were added. Lists of words have a line end between them. What a private one wants to be told is not here.
CREATE TABLE ppas (
    name TEXT PRIMARY KEY,
    uri TEXT NOT NULL,
    suite TEXT NOT NULL,
    components TEXT NOT NULL,
    architectures TEXT NOT NULL,
    keys TEXT NOT NULL,
    fingerprints TEXT NOT NULL,
    priority INTEGER,
    packages TEXT NOT NULL,
    private INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;

-- The newest state of a PPA that was taken for a series, and what its release file calls it.
CREATE TABLE ppa_states (
    ppa TEXT NOT NULL REFERENCES ppas (name),
    series TEXT NOT NULL,
    state TEXT NOT NULL,
    suite TEXT NOT NULL,
    date INTEGER,
    origin TEXT NOT NULL,
    label TEXT NOT NULL,
    archive TEXT NOT NULL,
    codename TEXT NOT NULL,
    packages INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    PRIMARY KEY (ppa, series)
) STRICT;

-- The folder of the suite that a fetched package came from, by its URL.
ALTER TABLE locks ADD COLUMN origin TEXT;

-- The ticket that a ticket runs again, and the one job of it where it is not all of them.
ALTER TABLE tickets ADD COLUMN replay_of INTEGER;
ALTER TABLE tickets ADD COLUMN replay_kind TEXT;
ALTER TABLE tickets ADD COLUMN replay_source TEXT;

-- What locks say beside the fetched files: the images that testbeds started from, the archive state that the base image was
-- made of, and the files of the source package as JSON.
CREATE TABLE lock_heads (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    base TEXT NOT NULL,
    archive_state TEXT,
    image TEXT,
    sources TEXT NOT NULL,
    PRIMARY KEY (job, attempt),
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT;

-- Tickets that make an image of no source: of which image, the series' newest where none is named, and what it is called.
CREATE TABLE image_rebuilds (
    ticket INTEGER PRIMARY KEY REFERENCES tickets (id),
    base TEXT,
    name TEXT NOT NULL
) STRICT;

-- How many repositories of the PPA pool a ticket holds while it runs.
ALTER TABLE tickets ADD COLUMN pool_repositories INTEGER NOT NULL DEFAULT 0;
