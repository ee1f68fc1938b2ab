-- How much room events take.

-- The bytes of the texts of all events that are stored, counted as they come and go: adding up millions of them again and
-- again would take too long.
ALTER TABLE arrivals ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
UPDATE arrivals SET bytes = (SELECT COALESCE(SUM(OCTET_LENGTH(body)), 0) FROM events);
