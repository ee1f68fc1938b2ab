-- Which packages lie in the store, noted before they come there: one that no version needs is found here, and nobody has to
-- look through the store, in which other things may lie too. `src/hub/registry/files.rs` draws the life of a row.
CREATE TABLE files (
    sha256 TEXT PRIMARY KEY,
    -- When it was last received or registered.
    received_ns BIGINT NOT NULL,
    -- Since when it is being deleted. Until that is done nobody registers it.
    leaving_ns BIGINT
);

INSERT INTO files (sha256, received_ns)
SELECT sha256, MAX(pushed_ns) FROM model_versions WHERE deleted_ns IS NULL GROUP BY sha256;
