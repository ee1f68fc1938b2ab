-- Who may log in at the broker, and what hubs share there.

-- An account. Of a password only mosquitto's hash is kept.
CREATE TABLE broker_accounts (
    name         TEXT PRIMARY KEY,             -- the user name: an agent's id, of which nothing need have been heard yet
    kind         TEXT NOT NULL,                -- agent or hub
    owner        TEXT NOT NULL,                -- of a hub's account its client id at first, by which it knows its own again
    hash         TEXT NOT NULL,                -- $7$iterations$salt$hash; empty where a certificate stands for a password
    since_ns     BIGINT NOT NULL,              -- since when that password is in force
    issued_by    TEXT NOT NULL,                -- the name of the token
    pending_hash TEXT,                         -- of the next password, while it waits to be put in force
    pending_ns   BIGINT,
    pending_by   TEXT
);

-- The one group in which all hubs on this database subscribe. Whoever knew its name could join it at the broker, and
-- would be sent a share of the events: it is as random as a password.
CREATE TABLE intake_group (
    id   BIGINT PRIMARY KEY,                   -- 1
    name TEXT NOT NULL
);
