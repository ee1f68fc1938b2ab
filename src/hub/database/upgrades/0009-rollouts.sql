-- What agents are to have, what they have, and how packages reach them.

-- The newest wish for each agent, as it is published, retained. The broker's copy is a convenience: all of them are
-- published again after each new connection to it.
CREATE TABLE desired (
    agent    TEXT PRIMARY KEY,
    revision BIGINT NOT NULL,                  -- rises with every wish for this agent
    document TEXT NOT NULL,                    -- JSON: the signed text and its signature
    told_ns  BIGINT NOT NULL                   -- nanoseconds since 1970, as are all times
);

-- The newest report of each agent.
CREATE TABLE reported (
    agent    TEXT PRIMARY KEY REFERENCES agents (id),
    boot     TEXT NOT NULL,                    -- drawn when the agent started
    sequence BIGINT NOT NULL,                  -- rises with every report, also over restarts
    document TEXT NOT NULL,                    -- JSON, as it came
    heard_ns BIGINT NOT NULL
);

-- A package on its way to agents.
CREATE TABLE rollouts (
    id           TEXT PRIMARY KEY,             -- slot, version and which one of them: people-4-1
    slot         TEXT NOT NULL,                -- the name that the model has in the agents' configuration
    sha256       TEXT NOT NULL,                -- of the package
    spec         TEXT NOT NULL,                -- JSON: package, groups, soak, thresholds, proof
    state        TEXT NOT NULL,                -- created, running, waiting-approval, paused, reverting, reverted, finished, aborted
    why          TEXT NOT NULL,                -- for people
    groups_told  BIGINT NOT NULL,              -- how many groups have been told
    succeeded_ns BIGINT,                       -- since when the newest of them has succeeded
    approved     BIGINT NOT NULL,              -- 1 when somebody has approved of what follows the first group
    aborted      BIGINT NOT NULL,              -- 1 when it turns back because somebody wanted it
    created_by   TEXT NOT NULL,                -- the name of the token
    created_ns   BIGINT NOT NULL,
    changed_ns   BIGINT NOT NULL               -- when its state changed last
);
CREATE INDEX rollouts_by_time ON rollouts (created_ns);

-- An agent of a rollout.
CREATE TABLE rollout_nodes (
    rollout       TEXT NOT NULL REFERENCES rollouts (id),
    agent         TEXT NOT NULL REFERENCES agents (id),
    place         BIGINT NOT NULL,             -- its place in the order in which agents are told
    group_number  BIGINT NOT NULL,             -- from 0
    told_revision BIGINT,                      -- of the wish for the package; none while its group waits
    told_ns       BIGINT,
    previous      TEXT NOT NULL,               -- JSON: the package that decided until it was told; empty for its own file
    back_revision BIGINT,                      -- of the wish to go back to that
    back_ns       BIGINT,
    stage         TEXT NOT NULL,               -- how far it was when the rollout was last looked at
    reason        TEXT NOT NULL,
    evidence      TEXT NOT NULL,               -- JSON: what it measured; empty while there is nothing
    fault         TEXT NOT NULL,               -- JSON: how the package failed there; kept when the node has gone back
    PRIMARY KEY (rollout, agent)
);
CREATE INDEX rollout_nodes_by_agent ON rollout_nodes (agent);
