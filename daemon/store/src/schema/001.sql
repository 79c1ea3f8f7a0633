-- Moments are microseconds since the epoch, durations microseconds, paths the system's bytes, digests hexadecimal.

CREATE TABLE tickets (
    id INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    bug TEXT,
    owner TEXT NOT NULL,
    series TEXT NOT NULL,
    offline INTEGER NOT NULL,
    test_timeout INTEGER,
    build_timeout INTEGER,
    step INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    queued_at INTEGER,
    queue_position INTEGER,
    started_at INTEGER,
    outcome TEXT,
    exit_code INTEGER,
    reason TEXT,
    finished_at INTEGER,
    image TEXT
) STRICT;

-- Packages to add to the image, or to remove from it.
CREATE TABLE packages (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    verb TEXT NOT NULL CHECK (verb IN ('add', 'remove')),
    name TEXT NOT NULL
) STRICT;
CREATE INDEX packages_ticket ON packages (ticket);

CREATE TABLE subtickets (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    source TEXT NOT NULL,
    version TEXT NOT NULL,
    origin BLOB NOT NULL,
    signature TEXT NOT NULL,
    signer TEXT,
    fingerprint TEXT,
    signature_reason TEXT,
    staged BLOB NOT NULL,
    needs_source_package INTEGER NOT NULL
) STRICT;
CREATE INDEX subtickets_ticket ON subtickets (ticket);

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    kind TEXT NOT NULL,
    subticket INTEGER REFERENCES subtickets (id),
    source TEXT,
    state TEXT NOT NULL,
    reason TEXT
) STRICT;
CREATE INDEX jobs_ticket ON jobs (ticket);

CREATE TABLE needs (
    job INTEGER NOT NULL REFERENCES jobs (id),
    place INTEGER NOT NULL,
    need INTEGER NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (job, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    job INTEGER NOT NULL REFERENCES jobs (id),
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    exit_code INTEGER,
    reason TEXT,
    log TEXT NOT NULL,
    error_log TEXT,
    error_line INTEGER,
    error_text TEXT,
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE tests (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    duration INTEGER NOT NULL,
    log_line INTEGER,
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT;
CREATE INDEX tests_job ON tests (job, attempt);

CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    path BLOB NOT NULL,
    UNIQUE (job, attempt, name),
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT;

CREATE TABLE locks (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    place INTEGER NOT NULL,
    url TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (job, attempt, place),
    FOREIGN KEY (job, attempt) REFERENCES attempts (job, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE warnings (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES tickets (id),
    text TEXT NOT NULL
) STRICT;
CREATE INDEX warnings_ticket ON warnings (ticket);

CREATE TABLE images (
    id TEXT PRIMARY KEY,
    series TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    path BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every state change, as subscribers were told of it.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    ticket INTEGER,
    kind TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
