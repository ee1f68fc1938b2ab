-- What ails the pictures of cameras is among what they went through.
DROP INDEX changes_by_camera;
CREATE INDEX changes_by_camera ON events (agent, camera, time_ns)
    WHERE kind IN ('camera-state', 'camera-condition', 'day-night', 'discontinuity', 'gap', 'clock-step', 'model-change', 'config-change');
