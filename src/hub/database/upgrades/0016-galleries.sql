-- Galleries that agents take from here. The bytes, sealed under a key that is not here, lie in the blob store; only the newest
-- is kept, as whoever was removed is in an older one.
CREATE TABLE galleries (
    name         TEXT NOT NULL PRIMARY KEY,
    revision     BIGINT NOT NULL,              -- as the file says of itself
    space        TEXT NOT NULL,                -- what names the vectors in it
    sha256       TEXT NOT NULL,                -- of the whole file
    size         BIGINT NOT NULL,              -- bytes of the whole file
    published_by TEXT NOT NULL,                -- the name of the token
    published_ns BIGINT NOT NULL
);
CREATE INDEX galleries_by_file ON galleries (sha256);
