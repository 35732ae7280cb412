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
	"probed_at" timestamp with time zone,
	"failure" jsonb,
	"failure_key_id" uuid,
	"failed_at" timestamp with time zone,
	"failure_count" integer DEFAULT 0 NOT NULL,
	"last_sync" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "connections_status" CHECK (status in ('validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'paused', 'refused', 'disconnected')),
	CONSTRAINT "connections_backfill" CHECK ("connections"."began" <= "connections"."backfill_to"),
	CONSTRAINT "connections_failure" CHECK (("connections"."failure" is null) = ("connections"."failed_at" is null))
);
--> statement-breakpoint
CREATE TABLE "cost_lines" (
	"connection_id" uuid NOT NULL,
	"day" date NOT NULL,
	"series_no" integer NOT NULL,
	"amount" numeric NOT NULL,
	CONSTRAINT "cost_lines_connection_id_day_series_no_pk" PRIMARY KEY("connection_id","day","series_no"),
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
	CONSTRAINT "cost_series_no" UNIQUE("connection_id","series_no")
);
--> statement-breakpoint
CREATE TABLE "days" (
	"connection_id" uuid NOT NULL,
	"report" text NOT NULL,
	"day" date NOT NULL,
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
	CONSTRAINT "days_connection_id_report_day_pk" PRIMARY KEY("connection_id","report","day"),
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
	CONSTRAINT "events_connection_id_id_pk" PRIMARY KEY("connection_id","id")
);
--> statement-breakpoint
CREATE TABLE "keys" (
	"connection_id" uuid NOT NULL,
	"id" uuid NOT NULL,
	"state" text NOT NULL,
	"hint" text NOT NULL,
	"sealed" "bytea",
	"ring_key_id" text,
	"added_at" timestamp with time zone DEFAULT now() NOT NULL,
	"requested_at" timestamp with time zone,
	"tries" integer DEFAULT 0 NOT NULL,
	"tried_at" timestamp with time zone,
	"fault" jsonb,
	"activated_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "keys_connection_id_id_pk" PRIMARY KEY("connection_id","id"),
	CONSTRAINT "keys_state" CHECK (state in ('candidate', 'active', 'superseded', 'refused', 'destroyed')),
	CONSTRAINT "keys_sealed" CHECK (("keys"."sealed" is null) = (state in ('refused', 'destroyed'))),
	CONSTRAINT "keys_ring" CHECK (("keys"."sealed" is null) = ("keys"."ring_key_id" is null))
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
	"days_read" integer DEFAULT 0 NOT NULL,
	"days_changed" integer DEFAULT 0 NOT NULL,
	"requests" integer DEFAULT 0 NOT NULL,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"fault" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "syncs_connection_id_n_run_id_pk" PRIMARY KEY("connection_id","n","run_id"),
	CONSTRAINT "syncs_kind" CHECK (kind in ('backfill', 'daily', 'catch_up', 'manual')),
	CONSTRAINT "syncs_state" CHECK (state in ('running', 'succeeded', 'failed')),
	CONSTRAINT "syncs_ended" CHECK ((state = 'running') = ("syncs"."ended_at" is null)),
	CONSTRAINT "syncs_fault" CHECK ((state = 'failed') = ("syncs"."fault" is not null))
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_role" CHECK (role in ('admin', 'viewer'))
);
--> statement-breakpoint
CREATE TABLE "usage_lines" (
	"connection_id" uuid NOT NULL,
	"day" date NOT NULL,
	"series_no" integer NOT NULL,
	"uncached_input_tokens" bigint NOT NULL,
	"output_tokens" bigint NOT NULL,
	"cache_read_input_tokens" bigint NOT NULL,
	"cache_creation_5m" bigint NOT NULL,
	"cache_creation_1h" bigint NOT NULL,
	"web_search_requests" bigint NOT NULL,
	"extra_counts" jsonb,
	CONSTRAINT "usage_lines_connection_id_day_series_no_pk" PRIMARY KEY("connection_id","day","series_no")
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
	CONSTRAINT "usage_series_no" UNIQUE("connection_id","series_no")
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
ALTER TABLE "cost_series" ADD CONSTRAINT "cost_series_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "days" ADD CONSTRAINT "days_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "restatements" ADD CONSTRAINT "restatements_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "syncs" ADD CONSTRAINT "syncs_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage_series" ADD CONSTRAINT "usage_series_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "connections_one_live_per_organization" ON "connections" USING btree ("organization_id") WHERE status not in ('refused', 'disconnected');--> statement-breakpoint
CREATE INDEX "connections_by_creation" ON "connections" USING btree ("created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "keys_one_active" ON "keys" USING btree ("connection_id") WHERE state = 'active';--> statement-breakpoint
CREATE INDEX "keys_by_ring_key" ON "keys" USING btree ("ring_key_id") WHERE "keys"."sealed" is not null;