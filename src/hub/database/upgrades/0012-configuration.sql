-- Overlays over the agents' configuration, which are rolled out as packages are: for them, the slot in rollouts is (config),
-- sha256 is that of the overlay, and previous in rollout_nodes names one.

-- Every overlay that was ever rolled out: a rollout that turns back needs the text of the one before.
CREATE TABLE overlays (
    sha256 TEXT PRIMARY KEY,                   -- of the text
    text   TEXT NOT NULL                       -- YAML, at most 24 KiB
);
