-- Which agents there are, and what they last said of themselves.

CREATE TABLE agents (
    id            TEXT PRIMARY KEY,
    admitted_ns   BIGINT,                      -- none: it was heard of and nobody has admitted it yet
    admitted_by   TEXT NOT NULL DEFAULT '',
    labels        TEXT NOT NULL DEFAULT '{}',  -- JSON: what people say of it, such as {"region": "north"}
    first_seen_ns BIGINT NOT NULL,
    last_seen_ns  BIGINT NOT NULL,             -- the last message of any kind
    status        TEXT NOT NULL DEFAULT '',    -- online, offline; empty while it has said neither
    boot          TEXT NOT NULL DEFAULT '',    -- drawn by the agent at its start: a will of another boot is stale
    version       TEXT NOT NULL DEFAULT '',
    status_ns     BIGINT,
    health        TEXT NOT NULL DEFAULT '',    -- JSON, as it came
    health_ns     BIGINT
);

-- The last state of each camera of each agent.
CREATE TABLE cameras (
    agent    TEXT NOT NULL REFERENCES agents (id),
    camera   TEXT NOT NULL,
    state    TEXT NOT NULL,                    -- JSON, as it came
    state_ns BIGINT NOT NULL,
    PRIMARY KEY (agent, camera)
);
