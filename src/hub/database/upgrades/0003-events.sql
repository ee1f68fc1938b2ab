-- What happened.

-- An alert or event as it came, once per message id `agent/class/epoch/seq`.
CREATE TABLE events (
    agent       TEXT NOT NULL,
    class       TEXT NOT NULL,                 -- alert, event, telemetry
    epoch       TEXT NOT NULL,                 -- 16 hex digits: which spool it lay in
    seq         BIGINT NOT NULL,               -- its number within class and epoch, from 1
    time_ns     BIGINT NOT NULL,               -- when it happened, by the agent's clock
    received_ns BIGINT NOT NULL,               -- when it was stored, by the hub's clock
    kind        TEXT NOT NULL,                 -- the CloudEvents type
    episode     TEXT NOT NULL DEFAULT '',      -- joins start, updates and end of one alert
    phase       TEXT NOT NULL DEFAULT '',      -- start, update, end
    camera      TEXT NOT NULL DEFAULT '',
    rule        TEXT NOT NULL DEFAULT '',
    label       TEXT NOT NULL DEFAULT '',
    severity    TEXT NOT NULL DEFAULT '',
    body        TEXT NOT NULL,                 -- the whole CloudEvent, JSON, as it came
    PRIMARY KEY (agent, class, epoch, seq)
);
CREATE INDEX events_by_time ON events (time_ns, agent, class, epoch, seq);
CREATE INDEX events_by_camera ON events (agent, camera, time_ns);
CREATE INDEX events_by_episode ON events (agent, episode);

-- Up to which number everything of one spool is stored, so that the agent may let go of it.
CREATE TABLE watermarks (
    agent TEXT NOT NULL,
    class TEXT NOT NULL,
    epoch TEXT NOT NULL,
    upto  BIGINT NOT NULL,
    PRIMARY KEY (agent, class, epoch)
);

-- Pictures of an episode; the bytes are in the blob store.
CREATE TABLE snapshots (
    agent       TEXT NOT NULL,
    camera      TEXT NOT NULL,
    episode     TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    size        BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, episode)
);

-- What people think of an alert: material to learn from.
CREATE TABLE verdicts (
    agent   TEXT NOT NULL,
    episode TEXT NOT NULL,
    verdict TEXT NOT NULL,                     -- true, false, wrong-class, missed
    label   TEXT NOT NULL DEFAULT '',          -- what it was, with wrong-class and missed
    note    TEXT NOT NULL DEFAULT '',
    by_whom TEXT NOT NULL,
    at_ns   BIGINT NOT NULL,
    PRIMARY KEY (agent, episode, by_whom)
);
