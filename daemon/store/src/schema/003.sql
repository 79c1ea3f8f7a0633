-- Where packages come from, and where they go.

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
