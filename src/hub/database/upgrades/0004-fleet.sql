-- Which agents there are, and what they last said of themselves.

CREATE TABLE agents (
    id            TEXT PRIMARY KEY,
    admitted_ns   BIGINT,                      -- none: it was heard of and nobody has admitted it
    admitted_by   TEXT NOT NULL,
    labels        TEXT NOT NULL,               -- JSON: what people say of it, such as {"region": "north"}
    first_seen_ns BIGINT NOT NULL,
    last_seen_ns  BIGINT NOT NULL,             -- the last message that it sent while the hub listened
    status        TEXT NOT NULL,               -- online, offline; empty while it has said neither
    boot          TEXT NOT NULL,               -- of the status: a will of another boot is stale
    version       TEXT NOT NULL,
    status_ns     BIGINT NOT NULL,
    health        TEXT NOT NULL,               -- JSON, as it came; empty while there is none
    health_boot   TEXT NOT NULL,
    health_ns     BIGINT NOT NULL
);

-- The last state of each camera of each agent.
CREATE TABLE cameras (
    agent    TEXT NOT NULL REFERENCES agents (id),
    camera   TEXT NOT NULL,
    state    TEXT NOT NULL,                    -- JSON, as it came
    state_ns BIGINT NOT NULL,
    PRIMARY KEY (agent, camera)
);
