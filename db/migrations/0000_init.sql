CREATE SEQUENCE "public"."key_steps" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE SEQUENCE "public"."read_attempts" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "connections" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"status" text NOT NULL,
	"organization_id" text,
	"organization_name" text,
	"began" date NOT NULL,
	"backfill_to" date NOT NULL,
	"discovered_at" timestamp with time zone,
	"synced_at" timestamp with time zone,
	"failure" jsonb,
	"failure_key_id" uuid,
	"failed_at" timestamp with time zone,
	"failure_count" integer DEFAULT 0 NOT NULL,
	"probed_at" timestamp with time zone,
	"answered_at" timestamp with time zone,
	"rejected_at" timestamp with time zone,
	"last_sync" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"purged_at" timestamp with time zone,
	CONSTRAINT "connections_purged" CHECK ("connections"."purged_at" is null or "connections"."ended_at" is not null),
	CONSTRAINT "connections_status" CHECK (status in ('validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'paused', 'refused', 'disconnected')),
	CONSTRAINT "connections_backfill" CHECK ("connections"."began" <= "connections"."backfill_to"),
	CONSTRAINT "connections_failure" CHECK (("connections"."failure" is null) = ("connections"."failed_at" is null)),
	CONSTRAINT "connections_answered" CHECK ("connections"."answered_at" is null or "connections"."failure" is not null),
	CONSTRAINT "connections_rejected" CHECK ("connections"."rejected_at" is null or "connections"."answered_at" is not null)
);
--> statement-breakpoint
CREATE TABLE "cost_lines" (
	"day_no" integer NOT NULL,
	"series_no" integer NOT NULL,
	"amount" numeric NOT NULL,
	CONSTRAINT "cost_lines_day_no_series_no_pk" PRIMARY KEY("day_no","series_no"),
	CONSTRAINT "cost_lines_finite" CHECK ("cost_lines"."amount" not in ('NaN', 'Infinity', '-Infinity'))
);
--> statement-breakpoint
CREATE TABLE "cost_series" (
	"connection_id" uuid NOT NULL,
	"series_id" uuid NOT NULL,
	"series_no" integer GENERATED ALWAYS AS IDENTITY (sequence name "cost_series_series_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"workspace_id" text,
	"description" text,
	"cost_type" text,
	"model" text,
	"token_type" text,
	"context_window" text,
	"service_tier" text,
	"inference_geo" text,
	"currency" text NOT NULL,
	"extra" jsonb,
	CONSTRAINT "cost_series_connection_id_series_id_pk" PRIMARY KEY("connection_id","series_id"),
	CONSTRAINT "cost_series_no" UNIQUE("series_no")
);
--> statement-breakpoint
CREATE TABLE "days" (
	"connection_id" uuid NOT NULL,
	"report" text NOT NULL,
	"day" date NOT NULL,
	"day_no" integer GENERATED ALWAYS AS IDENTITY (sequence name "days_day_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"state" text NOT NULL,
	"reconciled" boolean NOT NULL,
	"disagrees_with" numeric,
	"lines" integer NOT NULL,
	"total" numeric NOT NULL,
	"digest" "bytea" NOT NULL,
	"attempt" bigint NOT NULL,
	"read_on" date NOT NULL,
	"read_at" timestamp with time zone DEFAULT now() NOT NULL,
	"sync" integer NOT NULL,
	"written_by" integer,
	CONSTRAINT "days_connection_id_report_day_pk" PRIMARY KEY("connection_id","report","day"),
	CONSTRAINT "days_no" UNIQUE("day_no"),
	CONSTRAINT "days_report" CHECK (report in ('cost', 'usage')),
	CONSTRAINT "days_state" CHECK (state in ('provisional', 'final')),
	CONSTRAINT "days_flag" CHECK (not ("days"."reconciled" and "days"."disagrees_with" is not null)),
	CONSTRAINT "days_empty" CHECK ("days"."lines" > 0 or "days"."total" = 0)
);
--> statement-breakpoint
CREATE TABLE "events" (
	"connection_id" uuid NOT NULL,
	"id" bigserial NOT NULL,
	"type" text NOT NULL,
	"actor" text NOT NULL,
	"message" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"kept_by" text,
	CONSTRAINT "events_connection_id_id_pk" PRIMARY KEY("connection_id","id")
);
--> statement-breakpoint
CREATE TABLE "keys" (
	"connection_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"state" text NOT NULL,
	"hint" text NOT NULL,
	"sealed" "bytea",
	"encryption_key_id" text,
	"added_at" timestamp with time zone DEFAULT now() NOT NULL,
	"requested_at" timestamp with time zone,
	"requested_no" bigint,
	"activated_no" bigint,
	"activated_sync" integer,
	"tries" integer DEFAULT 0 NOT NULL,
	"tried_at" timestamp with time zone,
	"failure" jsonb,
	"activated_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"end_reason" text,
	"overtaken_by" uuid,
	CONSTRAINT "keys_connection_id_id_pk" PRIMARY KEY("connection_id","id"),
	CONSTRAINT "keys_state" CHECK (state in ('candidate', 'active', 'superseded', 'refused', 'destroyed')),
	CONSTRAINT "keys_why_ended" CHECK (("keys"."end_reason" is not null) = (state = 'destroyed')),
	CONSTRAINT "keys_end_reasons" CHECK (end_reason in ('replaced', 'overtaken', 'unused', 'discarded', 'connection_ended')),
	CONSTRAINT "keys_overtaken" CHECK (("keys"."overtaken_by" is null) or (end_reason = 'overtaken')),
	CONSTRAINT "keys_sealed" CHECK (("keys"."sealed" is null) = (state in ('refused', 'destroyed'))),
	CONSTRAINT "keys_ring" CHECK (("keys"."sealed" is null) = ("keys"."encryption_key_id" is null)),
	CONSTRAINT "keys_requested" CHECK (("keys"."requested_at" is null) = ("keys"."requested_no" is null)),
	CONSTRAINT "keys_activated" CHECK (num_nulls("keys"."activated_at", "keys"."activated_no", "keys"."activated_sync") in (0, 3))
);
--> statement-breakpoint
CREATE TABLE "restatements" (
	"connection_id" uuid NOT NULL,
	"id" bigserial NOT NULL,
	"report" text NOT NULL,
	"day" date NOT NULL,
	"before" numeric NOT NULL,
	"after" numeric NOT NULL,
	"lines_added" integer NOT NULL,
	"lines_removed" integer NOT NULL,
	"lines_changed" integer NOT NULL,
	"sync" integer NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "restatements_connection_id_id_pk" PRIMARY KEY("connection_id","id")
);
--> statement-breakpoint
CREATE TABLE "syncs" (
	"connection_id" uuid NOT NULL,
	"n" integer NOT NULL,
	"run_id" text NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"from_day" date NOT NULL,
	"to_day" date NOT NULL,
	"every_day" boolean DEFAULT false NOT NULL,
	"read_days" datemultirange,
	"changed_days" datemultirange,
	"requests" integer DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"failure" jsonb,
	"waiting" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "syncs_connection_id_n_run_id_pk" PRIMARY KEY("connection_id","n","run_id"),
	CONSTRAINT "syncs_kind" CHECK (kind in ('backfill', 'daily', 'catch_up', 'manual')),
	CONSTRAINT "syncs_state" CHECK (state in ('running', 'succeeded', 'failed')),
	CONSTRAINT "syncs_ended" CHECK ((state = 'running') = ("syncs"."ended_at" is null)),
	CONSTRAINT "syncs_failure" CHECK ((state = 'failed') = ("syncs"."failure" is not null))
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"made_with" uuid,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_by" text,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_role" CHECK (role in ('admin', 'viewer')),
	CONSTRAINT "tokens_expiry" CHECK ("tokens"."expires_at" > "tokens"."created_at"),
	CONSTRAINT "tokens_revoked" CHECK (("tokens"."revoked_at" is null) = ("tokens"."revoked_by" is null))
);
--> statement-breakpoint
CREATE TABLE "usage_lines" (
	"day_no" integer NOT NULL,
	"series_no" integer NOT NULL,
	"uncached_input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_input_tokens" bigint NOT NULL,
	"cache_creation_5m" bigint NOT NULL,
	"cache_creation_1h" bigint NOT NULL,
	"web_search_requests" bigint NOT NULL,
	"extra_counts" jsonb,
	CONSTRAINT "usage_lines_day_no_series_no_pk" PRIMARY KEY("day_no","series_no")
);
--> statement-breakpoint
CREATE TABLE "usage_series" (
	"connection_id" uuid NOT NULL,
	"series_id" uuid NOT NULL,
	"series_no" integer GENERATED ALWAYS AS IDENTITY (sequence name "usage_series_series_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"workspace_id" text,
	"model" text,
	"service_tier" text,
	"context_window" text,
	"inference_geo" text,
	"extra" jsonb,
	CONSTRAINT "usage_series_connection_id_series_id_pk" PRIMARY KEY("connection_id","series_id"),
	CONSTRAINT "usage_series_no" UNIQUE("series_no")
);
--> statement-breakpoint
CREATE TABLE "workspaces" (
	"connection_id" uuid NOT NULL,
	"id" text NOT NULL,
	"name" text NOT NULL,
	"created_at" timestamp with time zone,
	"archived_at" timestamp with time zone,
	"reported" jsonb NOT NULL,
	"read_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "workspaces_connection_id_id_pk" PRIMARY KEY("connection_id","id")
);
--> statement-breakpoint
ALTER TABLE "days" ADD CONSTRAINT "days_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "restatements" ADD CONSTRAINT "restatements_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "syncs" ADD CONSTRAINT "syncs_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_made_with_tokens_id_fk" FOREIGN KEY ("made_with") REFERENCES "public"."tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "connections_one_live_per_organization" ON "connections" USING btree ("organization_id") WHERE status not in ('refused', 'disconnected');--> statement-breakpoint
CREATE INDEX "connections_by_creation" ON "connections" USING btree ("created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "events_kept_once" ON "events" USING btree ("connection_id","kept_by") WHERE "events"."kept_by" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "keys_one_active" ON "keys" USING btree ("connection_id") WHERE state = 'active';--> statement-breakpoint
CREATE INDEX "keys_by_encryption_key" ON "keys" USING btree ("encryption_key_id") WHERE "keys"."sealed" is not null;--> statement-breakpoint
CREATE INDEX "syncs_running" ON "syncs" USING btree ("connection_id") WHERE state = 'running';--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_one_by_name" ON "tokens" USING btree ("name") WHERE "tokens"."revoked_at" is null;--> statement-breakpoint
CREATE INDEX "usage_lines_with_extra_counts" ON "usage_lines" USING btree ("day_no") WHERE "usage_lines"."extra_counts" is not null;
--> statement-breakpoint
-- Counts that this release does not know by name are tokens where their name says so, and then count in the total of
-- their day. A strict function is not called for the many lines that have no such counts.
CREATE FUNCTION "other_tokens"("extra_counts" jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT sum(count.value::numeric) FROM jsonb_each_text("extra_counts") AS count WHERE count.key LIKE '%tokens');
--> statement-breakpoint
-- The interface for SQL is made of these, and so are the replies of the API: they say once what counts. They are no
-- interface themselves.
--
-- The connections that count. Until Anthropic names its organization, a connection stands for one of its own.
CREATE VIEW "counting_connections" AS
SELECT
  id,
  name,
  status,
  organization_id,
  organization_name,
  coalesce(organization_id, id::text) AS organization,
  began,
  ended_at,
  purged_at,
  created_at,
  array_agg(id) OVER (PARTITION BY coalesce(organization_id, id::text)) AS siblings,
  -- Null for the newest of its organization, as nearly each one is: nothing is looked up for its days then.
  array_agg(id) OVER (
    PARTITION BY coalesce(organization_id, id::text)
    ORDER BY created_at DESC, id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS newer
FROM connections
WHERE status <> 'refused';
--> statement-breakpoint
-- An organization that was disconnected and connected again has some days twice. Each day of a report counts once, from
-- the newest connection that has it stored: a newer connection hides no day that it did not read yet.
CREATE VIEW "counted_days" AS
SELECT
  d.day_no,
  d.connection_id,
  d.report,
  d.day,
  d.state,
  d.reconciled,
  c.organization,
  c.siblings,
  c.newer,
  c.organization_id,
  c.organization_name,
  c.name AS connection_name,
  c.status AS connection_status
FROM days d
JOIN counting_connections c ON c.id = d.connection_id
WHERE c.newer IS NULL OR NOT EXISTS (
  SELECT FROM days n WHERE n.connection_id = ANY (c.newer) AND n.report = d.report AND n.day = d.day
);
--> statement-breakpoint
-- A workspace is called as it was when it was listed last, by whichever connection of its organization. The connection's
-- own list is joined, which is the last one nearly always; the others are looked up only where it is not.
CREATE VIEW "costs" AS
SELECT
  d.connection_id,
  d.organization_id,
  d.organization_name,
  d.day,
  s.workspace_id,
  CASE
    WHEN s.workspace_id IS NULL THEN 'Default workspace'
    WHEN d.newer IS NULL AND w.name IS NOT NULL THEN w.name
    ELSE coalesce(
      (
        SELECT n.name FROM workspaces n
        WHERE n.connection_id = ANY (d.siblings) AND n.id = s.workspace_id
        ORDER BY n.read_at DESC
        LIMIT 1
      ),
      s.workspace_id
    )
  END AS workspace_name,
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
  d.reconciled AS day_reconciled,
  d.connection_name,
  d.connection_status
FROM counted_days d
JOIN cost_lines l ON l.day_no = d.day_no
JOIN cost_series s ON s.series_no = l.series_no
LEFT JOIN workspaces w ON w.connection_id = d.connection_id AND w.id = s.workspace_id
WHERE d.report = 'cost';
--> statement-breakpoint
COMMENT ON VIEW "costs" IS 'Cost per line and UTC day, each day of an organization once. amount is in major units of currency (USD today), exact. A null workspace_id is the default workspace.';
--> statement-breakpoint
CREATE VIEW "usage" AS
SELECT
  d.connection_id,
  d.organization_id,
  d.organization_name,
  d.day,
  s.workspace_id,
  CASE
    WHEN s.workspace_id IS NULL THEN 'Default workspace'
    WHEN d.newer IS NULL AND w.name IS NOT NULL THEN w.name
    ELSE coalesce(
      (
        SELECT n.name FROM workspaces n
        WHERE n.connection_id = ANY (d.siblings) AND n.id = s.workspace_id
        ORDER BY n.read_at DESC
        LIMIT 1
      ),
      s.workspace_id
    )
  END AS workspace_name,
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
  d.reconciled AS day_reconciled,
  d.connection_name,
  d.connection_status
FROM counted_days d
JOIN usage_lines l ON l.day_no = d.day_no
JOIN usage_series s ON s.series_no = l.series_no
LEFT JOIN workspaces w ON w.connection_id = d.connection_id AND w.id = s.workspace_id
WHERE d.report = 'usage';
--> statement-breakpoint
COMMENT ON VIEW "usage" IS 'Tokens and requests per line and UTC day, each day of an organization once. A null workspace_id is the default workspace.';
--> statement-breakpoint
-- Which migrations ran, for roles that see no schema but this one. Drizzle keeps them in a schema of its own.
CREATE VIEW "applied_migrations" AS SELECT created_at AS made_at_ms FROM drizzle.__drizzle_migrations;
--> statement-breakpoint
COMMENT ON VIEW "applied_migrations" IS 'The migrations that ran, by when each was made, in milliseconds since 1970. For the service itself.';
