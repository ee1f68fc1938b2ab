-- What models there are.

-- A model is a name that versions gather under.
CREATE TABLE models (
    name        TEXT PRIMARY KEY,              -- [a-z0-9][a-z0-9-]{0,62}
    description TEXT NOT NULL DEFAULT '',
    created_ns  BIGINT NOT NULL                -- nanoseconds since 1970, as are all times
);

-- A version is one package, which never changes once it is here.
CREATE TABLE model_versions (
    model            TEXT NOT NULL REFERENCES models (name),
    version          BIGINT NOT NULL,          -- counts from 1 within the model, never used twice
    sha256           TEXT NOT NULL,            -- of the package: its name in the blob store, 64 hex digits
    size             BIGINT NOT NULL,          -- bytes
    release_name     TEXT NOT NULL,            -- what its maker calls it, such as 1.4.0
    security_version BIGINT NOT NULL,
    manifest         TEXT NOT NULL,            -- JSON, as signed
    signed_by        TEXT NOT NULL,            -- JSON: names of the keys that vouch for it
    lineage          TEXT NOT NULL,            -- JSON: parent, training, calibration, metrics
    note             TEXT NOT NULL DEFAULT '',
    pushed_by        TEXT NOT NULL,            -- the name of the token
    pushed_ns        BIGINT NOT NULL,
    deleted_ns       BIGINT,                   -- set when it was deleted; its number stays taken
    PRIMARY KEY (model, version)
);
CREATE INDEX model_versions_by_sha256 ON model_versions (sha256);

-- An alias is a name that points at one version of a model: champion, challenger, any.
CREATE TABLE model_aliases (
    model   TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version BIGINT NOT NULL,
    set_by  TEXT NOT NULL,
    set_ns  BIGINT NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES model_versions (model, version)
);
