-- Lines know their day by a short number. Everything is changed in place, so that nobody loses a right. The tables are
-- locked meanwhile, in the order in which the service locks them.
SET LOCAL lock_timeout = '20s';
--> statement-breakpoint
LOCK TABLE "connections", "days", "syncs", "cost_lines", "usage_lines", "cost_series", "usage_series" IN ACCESS EXCLUSIVE MODE;
--> statement-breakpoint
ALTER TABLE "days" ADD COLUMN "day_no" integer NOT NULL GENERATED ALWAYS AS IDENTITY (sequence name "days_day_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1);
--> statement-breakpoint
ALTER TABLE "days" ADD CONSTRAINT "days_no" UNIQUE("day_no");
--> statement-breakpoint
ALTER TABLE "cost_series" DROP CONSTRAINT "cost_series_connection_id_connections_id_fk";
--> statement-breakpoint
ALTER TABLE "cost_series" DROP CONSTRAINT "cost_series_no";
--> statement-breakpoint
ALTER TABLE "cost_series" ADD CONSTRAINT "cost_series_no" UNIQUE("series_no");
--> statement-breakpoint
ALTER TABLE "cost_lines" DROP CONSTRAINT "cost_lines_connection_id_day_series_no_pk";
--> statement-breakpoint
ALTER TABLE "cost_lines" ADD COLUMN "day_no" integer;
--> statement-breakpoint
UPDATE "cost_lines" l SET "day_no" = d."day_no"
FROM "days" d WHERE d."connection_id" = l."connection_id" AND d."report" = 'cost' AND d."day" = l."day";
--> statement-breakpoint
CREATE OR REPLACE VIEW "costs" AS
SELECT
  d.connection_id,
  c.organization_id,
  c.organization_name,
  d.day,
  s.workspace_id,
  CASE WHEN s.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(w.name, s.workspace_id) END AS workspace_name,
  s.description,
  s.cost_type,
  s.model,
  s.token_type,
  s.context_window,
  s.service_tier,
  s.inference_geo,
  s.extra,
  s.currency,
  l.amount,
  d.state AS day_state,
  d.reconciled AS day_reconciled
FROM days d
JOIN cost_lines l ON l.day_no = d.day_no
JOIN cost_series s ON s.series_no = l.series_no
JOIN connections c ON c.id = d.connection_id
LEFT JOIN workspaces w ON w.connection_id = d.connection_id AND w.id = s.workspace_id
WHERE d.report = 'cost';
--> statement-breakpoint
ALTER TABLE "cost_lines" DROP COLUMN "connection_id", DROP COLUMN "day", ALTER COLUMN "day_no" SET NOT NULL;
--> statement-breakpoint
ALTER TABLE "cost_lines" ADD CONSTRAINT "cost_lines_day_no_series_no_pk" PRIMARY KEY("day_no","series_no");
--> statement-breakpoint
-- Gives back the room of the columns and of the rows before.
CLUSTER "cost_lines" USING "cost_lines_day_no_series_no_pk";
--> statement-breakpoint
ALTER TABLE "cost_lines" SET WITHOUT CLUSTER;
--> statement-breakpoint
ALTER TABLE "usage_series" DROP CONSTRAINT "usage_series_connection_id_connections_id_fk";
--> statement-breakpoint
ALTER TABLE "usage_series" DROP CONSTRAINT "usage_series_no";
--> statement-breakpoint
ALTER TABLE "usage_series" ADD CONSTRAINT "usage_series_no" UNIQUE("series_no");
--> statement-breakpoint
ALTER TABLE "usage_lines" DROP CONSTRAINT "usage_lines_connection_id_day_series_no_pk";
--> statement-breakpoint
ALTER TABLE "usage_lines" ADD COLUMN "day_no" integer;
--> statement-breakpoint
UPDATE "usage_lines" l SET "day_no" = d."day_no"
FROM "days" d WHERE d."connection_id" = l."connection_id" AND d."report" = 'usage' AND d."day" = l."day";
--> statement-breakpoint
CREATE OR REPLACE VIEW "usage" AS
SELECT
  d.connection_id,
  c.organization_id,
  c.organization_name,
  d.day,
  s.workspace_id,
  CASE WHEN s.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(w.name, s.workspace_id) END AS workspace_name,
  s.model,
  s.service_tier,
  s.context_window,
  s.inference_geo,
  s.extra,
  l.uncached_input_tokens,
  l.output_tokens,
  l.cache_read_input_tokens,
  l.cache_creation_5m,
  l.cache_creation_1h,
  l.web_search_requests,
  l.extra_counts,
  d.state AS day_state,
  d.reconciled AS day_reconciled
FROM days d
JOIN usage_lines l ON l.day_no = d.day_no
JOIN usage_series s ON s.series_no = l.series_no
JOIN connections c ON c.id = d.connection_id
LEFT JOIN workspaces w ON w.connection_id = d.connection_id AND w.id = s.workspace_id
WHERE d.report = 'usage';
--> statement-breakpoint
ALTER TABLE "usage_lines" DROP COLUMN "connection_id", DROP COLUMN "day", ALTER COLUMN "day_no" SET NOT NULL;
--> statement-breakpoint
ALTER TABLE "usage_lines" ADD CONSTRAINT "usage_lines_day_no_series_no_pk" PRIMARY KEY("day_no","series_no");
--> statement-breakpoint
-- Gives back the room of the columns and of the rows before.
CLUSTER "usage_lines" USING "usage_lines_day_no_series_no_pk";
--> statement-breakpoint
ALTER TABLE "usage_lines" SET WITHOUT CLUSTER;
