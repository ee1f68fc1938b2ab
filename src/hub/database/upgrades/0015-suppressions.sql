-- What people decided of suppressions that verdicts proposed. The proposals themselves follow from the verdicts.
CREATE TABLE suppressions (
    agent    TEXT NOT NULL,
    id       TEXT NOT NULL,
    camera   TEXT NOT NULL,
    rule     TEXT NOT NULL,
    decision TEXT NOT NULL,                    -- accepted, dismissed
    by_whom  TEXT NOT NULL,                    -- the name of the token
    at_ns    BIGINT NOT NULL,
    until_ns BIGINT,                           -- until when it holds; none where it was dismissed
    rollout  TEXT NOT NULL,                    -- what brings it to the agent; empty where it was dismissed
    PRIMARY KEY (agent, id)
);
CREATE INDEX verdicts_by_time ON verdicts (at_ns);
