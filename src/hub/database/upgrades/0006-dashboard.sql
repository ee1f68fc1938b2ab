-- What the pages for people look for.

-- What a camera went through, and how much happened there.
CREATE INDEX events_by_camera ON events (agent, camera, time_ns);
-- The newest alerts; there are few among all events.
CREATE INDEX alerts_by_number ON events (number) WHERE severity = 'alert';
-- Who said what of one thing.
CREATE INDEX audit_by_object ON audit (object);
