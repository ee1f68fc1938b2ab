-- What the pages for people look for.

-- How much began at a camera.
CREATE INDEX starts_by_camera ON events (agent, camera, time_ns) WHERE phase = 'start';
-- What an agent and its cameras went through; there is little of that among all events.
CREATE INDEX changes_by_camera ON events (agent, camera, time_ns)
    WHERE kind IN ('camera-state', 'discontinuity', 'gap', 'clock-step', 'model-change', 'config-change');
-- The newest alerts; there are few among all events.
CREATE INDEX alerts_by_number ON events (number) WHERE severity = 'alert';
-- Who said what of one thing.
CREATE INDEX audit_by_object ON audit (object);
