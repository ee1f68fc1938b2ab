-- What happened.

-- The number that was given to the newest event; one row. Whoever stores events holds this row until they are stored, so
-- that an event is seen only when all with lower numbers are.
CREATE TABLE arrivals (
    last BIGINT NOT NULL
);
INSERT INTO arrivals (last) VALUES (0);

-- An alert or event as it came, once per message id `agent/class/epoch/seq`.
CREATE TABLE events (
    number      BIGINT PRIMARY KEY,            -- in the order in which they were stored
    agent       TEXT NOT NULL,
    class       TEXT NOT NULL,                 -- alert, event, telemetry
    epoch       TEXT NOT NULL,                 -- 16 hex digits: which spool it lay in
    seq         BIGINT NOT NULL,               -- its number within class and epoch, from 1
    time_ns     BIGINT NOT NULL,               -- when it happened, by the agent's clock
    received_ns BIGINT NOT NULL,               -- when it was stored, by the hub's clock
    kind        TEXT NOT NULL,                 -- such as loitering
    severity    TEXT NOT NULL,                 -- alert, event
    phase       TEXT NOT NULL,                 -- start, update, end
    episode     TEXT NOT NULL,                 -- joins start, updates and end of one alert
    camera      TEXT NOT NULL,                 -- empty where no camera saw it, and so the next two
    rule        TEXT NOT NULL,
    label       TEXT NOT NULL,
    body        TEXT NOT NULL,                 -- the whole CloudEvent, JSON, as it came, in one line
    UNIQUE (agent, class, epoch, seq)
);
CREATE INDEX events_by_time ON events (time_ns, number);

-- What is stored of each spool, so that the agent may let go of it. Outlives the events themselves.
CREATE TABLE watermarks (
    agent TEXT NOT NULL,
    class TEXT NOT NULL,
    epoch TEXT NOT NULL,
    upto  BIGINT NOT NULL,                     -- everything up to this number was stored
    above TEXT NOT NULL,                       -- and so were these ranges: 7-9,12
    PRIMARY KEY (agent, class, epoch)
);

-- Pictures of an episode; the bytes are in the folder of snapshots.
CREATE TABLE snapshots (
    agent       TEXT NOT NULL,
    camera      TEXT NOT NULL,
    name        TEXT NOT NULL,                 -- the episode, with -update or -best for a later picture
    sha256      TEXT NOT NULL,
    size        BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    PRIMARY KEY (agent, camera, name)
);
CREATE INDEX snapshots_by_arrival ON snapshots (received_ns);
CREATE INDEX snapshots_by_file ON snapshots (sha256);
