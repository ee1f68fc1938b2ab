-- What models there are.

-- A model is a name that versions gather under.
CREATE TABLE models (
    name       TEXT PRIMARY KEY,               -- [a-z0-9][a-z0-9-]{0,62}
    created_ns BIGINT NOT NULL,                -- nanoseconds since 1970, as are all times
    versions   BIGINT NOT NULL                 -- how many there ever were: the highest number that was given
);

-- A version is one package, which never changes once it is here.
CREATE TABLE model_versions (
    model      TEXT NOT NULL REFERENCES models (name),
    version    BIGINT NOT NULL,                -- counts from 1 within the model, never used twice
    sha256     TEXT NOT NULL,                  -- of the package: its name in the blob store, 64 hex digits
    size       BIGINT NOT NULL,                -- bytes
    report     TEXT NOT NULL,                  -- JSON: what the checks found, who signed, how each file ran here
    manifest   TEXT NOT NULL,                  -- JSON, as signed: tensors, labels, metrics, calibration, training, licence
    parent     BIGINT,                         -- the version of the same model that it was made from, where somebody says so
    note       TEXT NOT NULL,
    pushed_by  TEXT NOT NULL,                  -- the name of the token
    pushed_ns  BIGINT NOT NULL,
    deleted_ns BIGINT,                         -- when it was deleted; its number stays taken
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
