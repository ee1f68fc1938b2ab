-- What people think of what happened: material to learn from.

-- The last word on one episode; who said what before is in the audit log.
CREATE TABLE verdicts (
    agent   TEXT NOT NULL,
    episode TEXT NOT NULL,
    verdict TEXT NOT NULL,                     -- true, false, wrong-class, missed
    label   TEXT NOT NULL,                     -- what it was, with wrong-class and missed; else empty
    note    TEXT NOT NULL,
    by_whom TEXT NOT NULL,                     -- the name of the token
    at_ns   BIGINT NOT NULL,
    PRIMARY KEY (agent, episode)
);
CREATE INDEX events_by_episode ON events (agent, episode);
