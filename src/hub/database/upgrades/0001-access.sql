-- Who may do what, and who did.

-- A token is a secret that a person or a script shows; only its SHA-256 is kept.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,               -- 16 hex digits: public, for lists and the audit log
    name       TEXT NOT NULL UNIQUE,           -- whose it is
    role       TEXT NOT NULL,                  -- viewer, operator, engineer, admin
    sha256     TEXT NOT NULL UNIQUE,
    created_ns BIGINT NOT NULL,
    expires_ns BIGINT,
    revoked_ns BIGINT
);

-- A session is a browser that showed a token once.
CREATE TABLE sessions (
    sha256     TEXT PRIMARY KEY,               -- of the cookie
    token      TEXT NOT NULL REFERENCES tokens (id),
    csrf       TEXT NOT NULL,                  -- what each of its forms must carry
    expires_ns BIGINT NOT NULL
);

-- Every change that somebody made. Rows are only ever added.
CREATE TABLE audit (
    id      TEXT PRIMARY KEY,                  -- sortable by time
    at_ns   BIGINT NOT NULL,
    who     TEXT NOT NULL,                     -- the token's name
    action  TEXT NOT NULL,                     -- such as registry.alias
    object  TEXT NOT NULL,                     -- what it was done to
    details TEXT NOT NULL                      -- JSON
);
CREATE INDEX audit_by_time ON audit (at_ns);
