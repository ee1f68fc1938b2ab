-- What agents have lost and will not send.

-- Ranges of numbers that the agent gave up and that are not stored: they count for the watermark, and one that was on its
-- way all the same is stored when it arrives.
ALTER TABLE watermarks ADD COLUMN given_up TEXT NOT NULL DEFAULT '';
