-- Clips of what happened, which agents hand in when somebody asks for them.

-- The agent that a token was made for: with it that agent, and no other, hands in what it has recorded.
ALTER TABLE tokens ADD COLUMN agent TEXT;

-- A clip that is here or on its way; the bytes lie in the folder of clips, below the name of the agent.
CREATE TABLE clips (
    agent       TEXT NOT NULL,
    sha256      TEXT NOT NULL,                 -- of the whole clip
    camera      TEXT NOT NULL,
    episode     TEXT NOT NULL,                 -- empty where it shows none in particular
    begins_ns   BIGINT NOT NULL,               -- what it shows, by the agent's clock
    ends_ns     BIGINT NOT NULL,
    size        BIGINT NOT NULL,               -- bytes of the whole clip
    received    BIGINT NOT NULL,               -- bytes that are here
    touched_ns  BIGINT NOT NULL,               -- when the last piece came, by the hub's clock
    received_ns BIGINT,                        -- when all of it was here and its digest right; none before
    PRIMARY KEY (agent, sha256)
);
CREATE INDEX clips_by_episode ON clips (agent, episode);
CREATE INDEX clips_by_arrival ON clips (touched_ns);

-- The last time that somebody asked an agent for the clip of an episode.
CREATE TABLE clip_requests (
    agent       TEXT NOT NULL,
    episode     TEXT NOT NULL,
    command     TEXT NOT NULL,                 -- the id of the command, to which the agent answers
    asked_by    TEXT NOT NULL,                 -- the name of the token
    asked_ns    BIGINT NOT NULL,
    expires_ns  BIGINT NOT NULL,               -- when the command may no longer be carried out
    code        TEXT NOT NULL,                 -- how it was answered, such as ok or not-found; empty while it was not
    reason      TEXT NOT NULL,
    sha256      TEXT NOT NULL,                 -- of the clip, where the answer names it: one that shows several episodes is sent once
    PRIMARY KEY (agent, episode)
);
