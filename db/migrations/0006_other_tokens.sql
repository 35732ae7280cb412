-- Counts that this release does not know by name are tokens where their name says so, and then count in the total of
-- their day. A strict function is not called for the many lines that have no such counts.
SET LOCAL lock_timeout = '20s';
--> statement-breakpoint
CREATE FUNCTION "other_tokens"("extra_counts" jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT sum(count.value::numeric) FROM jsonb_each_text("extra_counts") AS count WHERE count.key LIKE '%tokens');
--> statement-breakpoint
CREATE INDEX "usage_lines_with_extra_counts" ON "usage_lines" USING btree ("day_no") WHERE "usage_lines"."extra_counts" is not null;
--> statement-breakpoint
-- The totals that were stored before leave these tokens out.
UPDATE "days" d SET "total" = d."total" + other."tokens"
FROM (
  SELECT l."day_no", sum(other_tokens(l."extra_counts")) AS "tokens"
  FROM "usage_lines" l
  WHERE l."extra_counts" IS NOT NULL
  GROUP BY l."day_no"
) other
WHERE d."day_no" = other."day_no" AND d."report" = 'usage' AND other."tokens" <> 0;
