CREATE SEQUENCE "public"."key_steps" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE SEQUENCE "public"."read_attempts" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "allocation_versions" (
	"version" integer PRIMARY KEY NOT NULL,
	"from_day" date NOT NULL,
	"document" jsonb NOT NULL,
	"actor" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "allocation_versions_version" CHECK ("allocation_versions"."version" >= 1),
	CONSTRAINT "allocation_versions_from" CHECK (extract(day from "allocation_versions"."from_day") = 1),
	CONSTRAINT "allocation_versions_actor" CHECK ("allocation_versions"."actor" <> '')
);
--> statement-breakpoint
CREATE TABLE "anomaly_assessments" (
	"connection_id" uuid PRIMARY KEY NOT NULL,
	"basis" text NOT NULL,
	"assessed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "anomaly_settings" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"sensitivity" text NOT NULL,
	"is_assessed" boolean DEFAULT false NOT NULL,
	CONSTRAINT "anomaly_settings_one" CHECK ("anomaly_settings"."is_only"),
	CONSTRAINT "anomaly_settings_sensitivity" CHECK ("anomaly_settings"."sensitivity" in ('low', 'medium', 'high'))
);
--> statement-breakpoint
CREATE TABLE "assess_state" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"assessed_on" date NOT NULL,
	"assessed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "assess_state_one" CHECK ("assess_state"."is_only")
);
--> statement-breakpoint
CREATE TABLE "budget_alerts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"budget_id" uuid NOT NULL,
	"from_day" date NOT NULL,
	"to_day" date NOT NULL,
	"of" text NOT NULL,
	"percent" numeric,
	"usd" numeric,
	"threshold" numeric NOT NULL,
	"value" numeric NOT NULL,
	"read_days" integer NOT NULL,
	"basis_day" date,
	"basis" text,
	"fired_at" timestamp with time zone DEFAULT now() NOT NULL,
	"notice_id" uuid NOT NULL,
	"withdrawn_at" timestamp with time zone,
	CONSTRAINT "budget_alerts_period" CHECK ("budget_alerts"."from_day" <= "budget_alerts"."to_day"),
	CONSTRAINT "budget_alerts_of" CHECK ("budget_alerts"."of" in ('actual', 'forecast')),
	CONSTRAINT "budget_alerts_value" CHECK (num_nonnulls("budget_alerts"."percent", "budget_alerts"."usd") = 1 and coalesce("budget_alerts"."percent", "budget_alerts"."usd") > 0 and "budget_alerts"."percent" not in ('NaN', 'Infinity', '-Infinity') is not false and "budget_alerts"."usd" not in ('NaN', 'Infinity', '-Infinity') is not false),
	CONSTRAINT "budget_alerts_finite" CHECK ("budget_alerts"."threshold" not in ('NaN', 'Infinity', '-Infinity') and "budget_alerts"."value" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "budget_alerts_reached" CHECK ("budget_alerts"."value" >= "budget_alerts"."threshold"),
	CONSTRAINT "budget_alerts_read_days" CHECK (least("budget_alerts"."read_days") >= 0),
	CONSTRAINT "budget_alerts_basis" CHECK (num_nonnulls("budget_alerts"."basis_day", "budget_alerts"."basis") = case when "budget_alerts"."of" = 'forecast' then 2 else 0 end),
	CONSTRAINT "budget_alerts_order" CHECK ("budget_alerts"."withdrawn_at" >= "budget_alerts"."fired_at")
);
--> statement-breakpoint
CREATE TABLE "budget_channels" (
	"budget_id" uuid NOT NULL,
	"channel_id" uuid NOT NULL,
	CONSTRAINT "budget_channels_budget_id_channel_id_pk" PRIMARY KEY("budget_id","channel_id")
);
--> statement-breakpoint
CREATE TABLE "budget_thresholds" (
	"budget_id" uuid NOT NULL,
	"place" integer NOT NULL,
	"of" text NOT NULL,
	"percent" numeric,
	"usd" numeric,
	CONSTRAINT "budget_thresholds_budget_id_place_pk" PRIMARY KEY("budget_id","place"),
	CONSTRAINT "budget_thresholds_place" CHECK (least("budget_thresholds"."place") >= 0),
	CONSTRAINT "budget_thresholds_of" CHECK ("budget_thresholds"."of" in ('actual', 'forecast')),
	CONSTRAINT "budget_thresholds_value" CHECK (num_nonnulls("budget_thresholds"."percent", "budget_thresholds"."usd") = 1 and coalesce("budget_thresholds"."percent", "budget_thresholds"."usd") > 0 and "budget_thresholds"."percent" not in ('NaN', 'Infinity', '-Infinity') is not false and "budget_thresholds"."usd" not in ('NaN', 'Infinity', '-Infinity') is not false)
);
--> statement-breakpoint
CREATE TABLE "budgets" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"name" text NOT NULL,
	"scope" jsonb NOT NULL,
	"recurs" text NOT NULL,
	"from_day" date,
	"to_day" date,
	"amount" numeric NOT NULL,
	"created_on" date NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"is_judged" boolean DEFAULT false NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "budgets_name" CHECK (char_length("budgets"."name") between 1 and 100),
	CONSTRAINT "budgets_recurs" CHECK ("budgets"."recurs" in ('month', 'quarter', 'year', 'fixed')),
	CONSTRAINT "budgets_range" CHECK (num_nonnulls("budgets"."from_day", "budgets"."to_day") = case when "budgets"."recurs" = 'fixed' then 2 else 0 end),
	CONSTRAINT "budgets_order" CHECK ("budgets"."from_day" <= "budgets"."to_day"),
	CONSTRAINT "budgets_amount" CHECK ("budgets"."amount" > 0 and "budgets"."amount" not in ('NaN', 'Infinity', '-Infinity'))
);
--> statement-breakpoint
CREATE TABLE "channel_addresses" (
	"channel_id" uuid NOT NULL,
	"no" bigserial NOT NULL,
	"address" text NOT NULL,
	"unsubscribed_at" timestamp with time zone,
	CONSTRAINT "channel_addresses_address" CHECK (char_length("channel_addresses"."address") between 1 and 254)
);
--> statement-breakpoint
CREATE TABLE "channels" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"hint" text NOT NULL,
	"sealed" "bytea",
	"encryption_key_id" text,
	"subscriptions" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp with time zone,
	"disabled_reason" text,
	"deleted_at" timestamp with time zone,
	"turn" uuid,
	"turn_until" timestamp with time zone,
	CONSTRAINT "channels_name" CHECK (char_length("channels"."name") between 1 and 100),
	CONSTRAINT "channels_kind" CHECK ("channels"."kind" in ('email', 'slack', 'teams', 'webhook', 'pagerduty')),
	CONSTRAINT "channels_sealed" CHECK (("channels"."sealed" is not null) = ("channels"."kind" <> 'email' and "channels"."deleted_at" is null)),
	CONSTRAINT "channels_encryption_key" CHECK (("channels"."sealed" is null) = ("channels"."encryption_key_id" is null)),
	CONSTRAINT "channels_disabled" CHECK (("channels"."disabled_at" is null) = ("channels"."disabled_reason" is null)),
	CONSTRAINT "channels_turn" CHECK (("channels"."turn" is null) = ("channels"."turn_until" is null))
);
--> statement-breakpoint
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
	"troubled_at" timestamp with time zone,
	"last_sync" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"purged_at" timestamp with time zone,
	CONSTRAINT "connections_name" CHECK ("connections"."name" <> ''),
	CONSTRAINT "connections_status" CHECK ("connections"."status" in ('validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'paused', 'refused', 'disconnected')),
	CONSTRAINT "connections_ended" CHECK (("connections"."ended_at" is null) = ("connections"."status" in ('validating', 'discovering', 'backfilling', 'active', 'degraded', 'awaiting_key', 'paused'))),
	CONSTRAINT "connections_purged" CHECK ("connections"."purged_at" is null or "connections"."ended_at" is not null),
	CONSTRAINT "connections_organization" CHECK (("connections"."organization_id" is null) = ("connections"."organization_name" is null)),
	CONSTRAINT "connections_backfill" CHECK ("connections"."began" <= "connections"."backfill_to"),
	CONSTRAINT "connections_failure" CHECK (("connections"."failure" is null) = ("connections"."failed_at" is null)),
	CONSTRAINT "connections_failure_key" CHECK ("connections"."failure_key_id" is null or "connections"."failure" is not null),
	CONSTRAINT "connections_answered" CHECK ("connections"."answered_at" is null or "connections"."failure" is not null),
	CONSTRAINT "connections_rejected" CHECK ("connections"."rejected_at" is null or "connections"."answered_at" is not null),
	CONSTRAINT "connections_troubled" CHECK ("connections"."troubled_at" is null or "connections"."ended_at" is null),
	CONSTRAINT "connections_counts" CHECK (least("connections"."failure_count", "connections"."last_sync") >= 0)
);
--> statement-breakpoint
CREATE TABLE "cost_cells" (
	"day_no" integer NOT NULL,
	"series_no" integer NOT NULL,
	"other" numeric,
	"uncached_input_tokens" numeric,
	"output_tokens" numeric,
	"cache_read_input_tokens" numeric,
	"cache_creation_5m" numeric,
	"cache_creation_1h" numeric,
	CONSTRAINT "cost_cells_day_no_series_no_pk" PRIMARY KEY("day_no","series_no"),
	CONSTRAINT "cost_cells_finite" CHECK ("cost_cells"."other" not in ('NaN', 'Infinity', '-Infinity') and "cost_cells"."uncached_input_tokens" not in ('NaN', 'Infinity', '-Infinity') and "cost_cells"."output_tokens" not in ('NaN', 'Infinity', '-Infinity') and "cost_cells"."cache_read_input_tokens" not in ('NaN', 'Infinity', '-Infinity') and "cost_cells"."cache_creation_5m" not in ('NaN', 'Infinity', '-Infinity') and "cost_cells"."cache_creation_1h" not in ('NaN', 'Infinity', '-Infinity'))
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
CREATE TABLE "cost_rollup" (
	"day_no" integer NOT NULL,
	"series_no" integer NOT NULL,
	"amount" numeric NOT NULL,
	CONSTRAINT "cost_rollup_day_no_series_no_pk" PRIMARY KEY("day_no","series_no"),
	CONSTRAINT "cost_rollup_finite" CHECK ("cost_rollup"."amount" not in ('NaN', 'Infinity', '-Infinity'))
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
	"unit_id" uuid NOT NULL,
	"token_kind" smallint GENERATED ALWAYS AS (case token_type when 'uncached_input_tokens' then 1 when 'output_tokens' then 2 when 'cache_read_input_tokens' then 3 when 'cache_creation.ephemeral_5m_input_tokens' then 4 when 'cache_creation.ephemeral_1h_input_tokens' then 5 end) STORED,
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
	"written_by" integer NOT NULL,
	CONSTRAINT "days_connection_id_report_day_pk" PRIMARY KEY("connection_id","report","day"),
	CONSTRAINT "days_no" UNIQUE("day_no"),
	CONSTRAINT "days_report" CHECK ("days"."report" in ('cost', 'usage')),
	CONSTRAINT "days_state" CHECK ("days"."state" in ('provisional', 'final')),
	CONSTRAINT "days_final" CHECK ("days"."state" <> 'final' or ("days"."reconciled" and "days"."read_on" > "days"."day")),
	CONSTRAINT "days_flag" CHECK (not ("days"."reconciled" and "days"."disagrees_with" is not null)),
	CONSTRAINT "days_finite" CHECK ("days"."total" not in ('NaN', 'Infinity', '-Infinity') and "days"."disagrees_with" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "days_empty" CHECK ("days"."lines" > 0 or "days"."total" = 0),
	CONSTRAINT "days_lines" CHECK (least("days"."lines") >= 0),
	CONSTRAINT "days_numbers" CHECK (least("days"."attempt", "days"."sync", "days"."written_by") >= 1),
	CONSTRAINT "days_digest" CHECK (octet_length("days"."digest") = 32),
	CONSTRAINT "days_read_on" CHECK ("days"."read_on" >= "days"."day")
);
--> statement-breakpoint
CREATE TABLE "deliveries" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"notice_id" uuid NOT NULL,
	"occasion" text DEFAULT 'opened' NOT NULL,
	"channel_id" uuid NOT NULL,
	"address" text NOT NULL,
	"state" text DEFAULT 'pending' NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"resends" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"queued_at" timestamp with time zone DEFAULT now() NOT NULL,
	"begun_at" timestamp with time zone,
	"next_try_at" timestamp with time zone,
	"tried_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"ended_by" text,
	"words" text,
	CONSTRAINT "deliveries_occasion" CHECK ("deliveries"."occasion" in ('opened', 'closed', 'withdrawn')),
	CONSTRAINT "deliveries_state" CHECK ("deliveries"."state" in ('pending', 'sending', 'sent', 'unknown', 'failed', 'held')),
	CONSTRAINT "deliveries_address" CHECK (char_length("deliveries"."address") between 1 and 254),
	CONSTRAINT "deliveries_counts" CHECK (least("deliveries"."tries", "deliveries"."failures", "deliveries"."resends") >= 0),
	CONSTRAINT "deliveries_ended" CHECK (("deliveries"."ended_at" is null) = ("deliveries"."state" in ('pending', 'sending'))),
	CONSTRAINT "deliveries_next_try" CHECK ("deliveries"."next_try_at" is null or "deliveries"."state" = 'pending'),
	CONSTRAINT "deliveries_sending" CHECK ("deliveries"."state" not in ('sending', 'sent', 'unknown') or "deliveries"."tries" > 0),
	CONSTRAINT "deliveries_words" CHECK ("deliveries"."state" not in ('failed', 'held', 'unknown') or "deliveries"."words" is not null),
	CONSTRAINT "deliveries_words_length" CHECK (char_length("deliveries"."words") between 1 and 500)
);
--> statement-breakpoint
CREATE TABLE "deployment_events" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"actor" text NOT NULL,
	"message" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "deployment_events_type" CHECK ("deployment_events"."type" in ('token_created', 'token_revoked', 'link_created', 'session_begun', 'session_ended', 'session_revoked', 'allocation_stored', 'month_closed', 'month_reopened', 'channel_created', 'channel_changed', 'channel_tested', 'channel_disabled', 'channel_deleted', 'channel_unsubscribed', 'delivery_resent', 'report_created', 'report_changed', 'report_deleted', 'report_run', 'sensitivity_set', 'budget_created', 'budget_changed', 'budget_deleted')),
	CONSTRAINT "deployment_events_actor" CHECK ("deployment_events"."actor" <> ''),
	CONSTRAINT "deployment_events_message" CHECK (char_length("deployment_events"."message") between 1 and 500)
);
--> statement-breakpoint
CREATE TABLE "events" (
	"connection_id" uuid NOT NULL,
	"id" bigserial NOT NULL,
	"type" text NOT NULL,
	"actor" text NOT NULL,
	"message" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"dedup_key" text,
	CONSTRAINT "events_connection_id_id_pk" PRIMARY KEY("connection_id","id"),
	CONSTRAINT "events_type" CHECK ("events"."type" in ('created', 'status', 'organization', 'key_added', 'key_active', 'key_refused', 'key_restored', 'key_destroyed', 'key_unanswered', 'key_probed', 'clock', 'sync_failed', 'day_flagged', 'restatement', 'workspaces_unread', 'signal', 'signal_received', 'request', 'renamed', 'anomaly_feedback', 'purged')),
	CONSTRAINT "events_actor" CHECK ("events"."actor" <> ''),
	CONSTRAINT "events_message" CHECK (char_length("events"."message") between 1 and 500)
);
--> statement-breakpoint
CREATE TABLE "forecasts" (
	"no" bigserial PRIMARY KEY NOT NULL,
	"budget_id" uuid,
	"connection_id" uuid,
	"from_day" date NOT NULL,
	"to_day" date NOT NULL,
	"made_on" date NOT NULL,
	"method" text,
	"reason" text,
	"basis_day" date,
	"mean" numeric,
	"low" numeric,
	"high" numeric,
	"band" jsonb,
	"spent" numeric NOT NULL,
	"spent_through" date,
	"shown_mean" numeric,
	"shown_low" numeric,
	"shown_high" numeric,
	"actual" numeric,
	"error" numeric,
	CONSTRAINT "forecasts_owner" CHECK (num_nonnulls("forecasts"."budget_id", "forecasts"."connection_id") = 1),
	CONSTRAINT "forecasts_period" CHECK ("forecasts"."from_day" <= "forecasts"."to_day" and "forecasts"."from_day" <= "forecasts"."made_on"),
	CONSTRAINT "forecasts_method" CHECK (num_nonnulls("forecasts"."method", "forecasts"."basis_day", "forecasts"."mean", "forecasts"."low", "forecasts"."high", "forecasts"."band", "forecasts"."shown_mean", "forecasts"."shown_low", "forecasts"."shown_high") = case when "forecasts"."reason" is null then 9 else 0 end),
	CONSTRAINT "forecasts_band" CHECK ("forecasts"."low" <= "forecasts"."mean" and "forecasts"."mean" <= "forecasts"."high"),
	CONSTRAINT "forecasts_finite" CHECK ("forecasts"."mean" not in ('NaN', 'Infinity', '-Infinity') and "forecasts"."low" not in ('NaN', 'Infinity', '-Infinity') and "forecasts"."high" not in ('NaN', 'Infinity', '-Infinity') and "forecasts"."actual" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "forecasts_spent" CHECK ("forecasts"."spent" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "forecasts_spent_through" CHECK ("forecasts"."spent_through" between "forecasts"."from_day" and "forecasts"."to_day"),
	CONSTRAINT "forecasts_shown" CHECK ("forecasts"."shown_mean" >= "forecasts"."mean" and "forecasts"."shown_low" >= "forecasts"."low" and "forecasts"."shown_high" >= "forecasts"."high" and "forecasts"."shown_mean" not in ('NaN', 'Infinity', '-Infinity') and "forecasts"."shown_low" not in ('NaN', 'Infinity', '-Infinity') and "forecasts"."shown_high" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "forecasts_error" CHECK ("forecasts"."error" is not distinct from "forecasts"."mean" - "forecasts"."actual")
);
--> statement-breakpoint
CREATE TABLE "incident_feedback" (
	"no" bigserial PRIMARY KEY NOT NULL,
	"incident_id" uuid NOT NULL,
	"feedback" text NOT NULL,
	"note" text,
	"actor" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"is_assessed" boolean DEFAULT false NOT NULL,
	CONSTRAINT "incident_feedback_feedback" CHECK ("incident_feedback"."feedback" in ('expected', 'real', 'wrong')),
	CONSTRAINT "incident_feedback_note" CHECK (char_length("incident_feedback"."note") between 1 and 1000),
	CONSTRAINT "incident_feedback_actor" CHECK ("incident_feedback"."actor" <> '')
);
--> statement-breakpoint
CREATE TABLE "incidents" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"connection_id" uuid NOT NULL,
	"key" text NOT NULL,
	"kind" text NOT NULL,
	"severity" text NOT NULL,
	"state" text NOT NULL,
	"end_reason" text,
	"first_day" date NOT NULL,
	"last_day" date NOT NULL,
	"detected_on" date NOT NULL,
	"observed" numeric NOT NULL,
	"expected" numeric NOT NULL,
	"excess" numeric NOT NULL,
	"compared_days" integer NOT NULL,
	"before" numeric NOT NULL,
	"after" numeric NOT NULL,
	"volume" numeric NOT NULL,
	"mix" numeric NOT NULL,
	"price" numeric NOT NULL,
	"unmatched" numeric NOT NULL,
	"incident" jsonb NOT NULL,
	"openings" integer DEFAULT 1 NOT NULL,
	"notice_id" uuid,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "incidents_kind" CHECK ("incidents"."kind" in ('spike', 'drop', 'level_shift', 'drift', 'offsetting', 'new_spend')),
	CONSTRAINT "incidents_severity" CHECK ("incidents"."severity" in ('info', 'warning', 'critical')),
	CONSTRAINT "incidents_state" CHECK ("incidents"."state" in ('open', 'closed', 'withdrawn')),
	CONSTRAINT "incidents_end" CHECK ("incidents"."end_reason" in ('back', 'new_normal', 'expected', 'wrong', 'restated', 'sensitivity', 'disconnected')),
	CONSTRAINT "incidents_ended" CHECK (("incidents"."state" = 'open') = ("incidents"."end_reason" is null) and ("incidents"."end_reason" is null) = ("incidents"."ended_at" is null)),
	CONSTRAINT "incidents_days" CHECK ("incidents"."first_day" <= least("incidents"."last_day", "incidents"."detected_on")),
	CONSTRAINT "incidents_excess" CHECK ("incidents"."excess" = "incidents"."observed" - "incidents"."expected"),
	CONSTRAINT "incidents_change" CHECK ("incidents"."after" - "incidents"."before" = "incidents"."volume" + "incidents"."mix" + "incidents"."price" + "incidents"."unmatched"),
	CONSTRAINT "incidents_finite" CHECK ("incidents"."observed" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."expected" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."before" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."after" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."volume" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."mix" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."price" not in ('NaN', 'Infinity', '-Infinity') and "incidents"."unmatched" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "incidents_counts" CHECK (least("incidents"."compared_days") >= 0 and "incidents"."openings" >= 1),
	CONSTRAINT "incidents_order" CHECK ("incidents"."ended_at" >= "incidents"."opened_at")
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
	CONSTRAINT "keys_state" CHECK ("keys"."state" in ('candidate', 'active', 'superseded', 'refused', 'destroyed')),
	CONSTRAINT "keys_hint" CHECK (char_length("keys"."hint") between 1 and 4),
	CONSTRAINT "keys_why_ended" CHECK (("keys"."end_reason" is not null) = ("keys"."state" = 'destroyed')),
	CONSTRAINT "keys_end_reasons" CHECK ("keys"."end_reason" in ('replaced', 'overtaken', 'unused', 'discarded', 'connection_ended')),
	CONSTRAINT "keys_overtaken" CHECK (("keys"."overtaken_by" is not null) = ("keys"."end_reason" is not distinct from 'overtaken')),
	CONSTRAINT "keys_refused" CHECK ("keys"."state" <> 'refused' or "keys"."failure" is not null),
	CONSTRAINT "keys_ended" CHECK (("keys"."ended_at" is null) = ("keys"."state" in ('candidate', 'active', 'superseded'))),
	CONSTRAINT "keys_sealed" CHECK (("keys"."sealed" is null) = ("keys"."state" in ('refused', 'destroyed'))),
	CONSTRAINT "keys_encryption_key" CHECK (("keys"."sealed" is null) = ("keys"."encryption_key_id" is null)),
	CONSTRAINT "keys_requested" CHECK (("keys"."requested_at" is null) = ("keys"."requested_no" is null)),
	CONSTRAINT "keys_activated" CHECK (num_nulls("keys"."activated_at", "keys"."activated_no", "keys"."activated_sync") in (0, 3)),
	CONSTRAINT "keys_served" CHECK ("keys"."state" not in ('active', 'superseded') or "keys"."activated_at" is not null),
	CONSTRAINT "keys_counts" CHECK (least("keys"."tries", "keys"."activated_sync") >= 0),
	CONSTRAINT "keys_tried" CHECK (("keys"."tries" = 0) = ("keys"."tried_at" is null))
);
--> statement-breakpoint
CREATE TABLE "links" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"hash" "bytea" NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "links_hash_unique" UNIQUE("hash"),
	CONSTRAINT "links_hash" CHECK (octet_length("links"."hash") = 32),
	CONSTRAINT "links_created_by" CHECK ("links"."created_by" <> ''),
	CONSTRAINT "links_expiry" CHECK ("links"."expires_at" > "links"."created_at" and "links"."expires_at" <= "links"."created_at" + interval '5 minutes')
);
--> statement-breakpoint
CREATE TABLE "notices" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"kind" text NOT NULL,
	"dedupe_key" text NOT NULL,
	"severity" text NOT NULL,
	"connection_id" uuid,
	"content" jsonb NOT NULL,
	"data" jsonb NOT NULL,
	"opened_at" timestamp with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp with time zone,
	"withdrawn_at" timestamp with time zone,
	"withdrawn_reason" text,
	CONSTRAINT "notices_kind" CHECK ("notices"."kind" in ('connected', 'connection_trouble', 'connection_recovered', 'key_rotated', 'day_flagged', 'restated', 'report', 'anomaly', 'budget_threshold', 'test')),
	CONSTRAINT "notices_severity" CHECK ("notices"."severity" in ('info', 'warning', 'critical')),
	CONSTRAINT "notices_dedupe_key" CHECK (char_length("notices"."dedupe_key") between 1 and 300),
	CONSTRAINT "notices_end" CHECK (num_nonnulls("notices"."closed_at", "notices"."withdrawn_at") <= 1),
	CONSTRAINT "notices_withdrawn" CHECK (("notices"."withdrawn_at" is null) = ("notices"."withdrawn_reason" is null)),
	CONSTRAINT "notices_order" CHECK (coalesce("notices"."closed_at", "notices"."withdrawn_at") >= "notices"."opened_at")
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"id" uuid PRIMARY KEY NOT NULL,
	"no" bigserial NOT NULL,
	"name" text NOT NULL,
	"every" text NOT NULL,
	"hour" integer NOT NULL,
	"time_zone" text NOT NULL,
	"query" jsonb NOT NULL,
	"channel_ids" uuid[],
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"created_by" text NOT NULL,
	"last_from" date,
	"last_to" date,
	"last_at" timestamp with time zone,
	"last_notice_id" uuid,
	CONSTRAINT "reports_name" CHECK (char_length("reports"."name") between 1 and 100),
	CONSTRAINT "reports_every" CHECK ("reports"."every" in ('daily', 'weekly', 'monthly')),
	CONSTRAINT "reports_hour" CHECK ("reports"."hour" between 4 and 23),
	CONSTRAINT "reports_time_zone" CHECK (char_length("reports"."time_zone") between 1 and 64),
	CONSTRAINT "reports_channels" CHECK (cardinality("reports"."channel_ids") > 0),
	CONSTRAINT "reports_created_by" CHECK ("reports"."created_by" <> ''),
	CONSTRAINT "reports_last" CHECK (num_nonnulls("reports"."last_from", "reports"."last_to", "reports"."last_at") in (0, 3)),
	CONSTRAINT "reports_last_period" CHECK ("reports"."last_from" <= "reports"."last_to"),
	CONSTRAINT "reports_last_notice" CHECK ("reports"."last_notice_id" is null or "reports"."last_at" is not null)
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
	"weighed" boolean DEFAULT false NOT NULL,
	CONSTRAINT "restatements_connection_id_id_pk" PRIMARY KEY("connection_id","id"),
	CONSTRAINT "restatements_report" CHECK ("restatements"."report" in ('cost', 'usage')),
	CONSTRAINT "restatements_finite" CHECK ("restatements"."before" not in ('NaN', 'Infinity', '-Infinity') and "restatements"."after" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "restatements_counts" CHECK (least("restatements"."lines_added", "restatements"."lines_removed", "restatements"."lines_changed") >= 0),
	CONSTRAINT "restatements_sync" CHECK ("restatements"."sync" >= 1)
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"no" bigserial PRIMARY KEY NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	"hash" "bytea" NOT NULL,
	"token_id" uuid,
	"bootstrap_tag" "bytea",
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "sessions_id_unique" UNIQUE("id"),
	CONSTRAINT "sessions_hash_unique" UNIQUE("hash"),
	CONSTRAINT "sessions_hash" CHECK (octet_length("sessions"."hash") = 32),
	CONSTRAINT "sessions_begun_with" CHECK (num_nonnulls("sessions"."token_id", "sessions"."bootstrap_tag") <= 1),
	CONSTRAINT "sessions_bootstrap_tag" CHECK (octet_length("sessions"."bootstrap_tag") = 32),
	CONSTRAINT "sessions_last_seen" CHECK ("sessions"."last_seen_at" >= "sessions"."created_at"),
	CONSTRAINT "sessions_expiry" CHECK ("sessions"."expires_at" > "sessions"."created_at" and "sessions"."expires_at" <= "sessions"."created_at" + interval '7 days')
);
--> statement-breakpoint
CREATE TABLE "statement_connections" (
	"statement_no" integer NOT NULL,
	"connection_id" uuid NOT NULL,
	"organization" text NOT NULL,
	"name" text NOT NULL,
	CONSTRAINT "statement_connections_statement_no_connection_id_pk" PRIMARY KEY("statement_no","connection_id")
);
--> statement-breakpoint
CREATE TABLE "statement_days" (
	"statement_no" integer NOT NULL,
	"organization" text NOT NULL,
	"day" date NOT NULL,
	"digest" "bytea" NOT NULL,
	CONSTRAINT "statement_days_statement_no_organization_day_pk" PRIMARY KEY("statement_no","organization","day")
);
--> statement-breakpoint
CREATE TABLE "statement_lines" (
	"statement_no" integer NOT NULL,
	"day" date NOT NULL,
	"series_no" integer NOT NULL,
	"amount" numeric NOT NULL,
	CONSTRAINT "statement_lines_statement_no_day_series_no_pk" PRIMARY KEY("statement_no","day","series_no"),
	CONSTRAINT "statement_lines_finite" CHECK ("statement_lines"."amount" not in ('NaN', 'Infinity', '-Infinity'))
);
--> statement-breakpoint
CREATE TABLE "statement_series" (
	"statement_no" integer NOT NULL,
	"series_no" integer NOT NULL,
	"rules_of" integer NOT NULL,
	"organization" text NOT NULL,
	"connection_id" uuid NOT NULL,
	"series_id" uuid NOT NULL,
	"workspace_id" text,
	"description" text,
	"cost_type" text,
	"model" text,
	"token_type" text,
	"context_window" text,
	"service_tier" text,
	"inference_geo" text,
	"currency" text NOT NULL,
	"rule" integer,
	"center" text,
	"pool" text,
	CONSTRAINT "statement_series_statement_no_series_no_pk" PRIMARY KEY("statement_no","series_no"),
	CONSTRAINT "statement_series_target" CHECK (num_nonnulls("statement_series"."center", "statement_series"."pool") = (case when "statement_series"."rule" is null then 0 else 1 end))
);
--> statement-breakpoint
CREATE TABLE "statement_shares" (
	"statement_no" integer NOT NULL,
	"pool" text NOT NULL,
	"center" text,
	"fraction" numeric NOT NULL,
	CONSTRAINT "statement_shares_of_pool" UNIQUE NULLS NOT DISTINCT("statement_no","pool","center"),
	CONSTRAINT "statement_shares_fraction" CHECK ("statement_shares"."fraction" > 0 and "statement_shares"."fraction" <= 1)
);
--> statement-breakpoint
CREATE TABLE "statement_workspaces" (
	"statement_no" integer NOT NULL,
	"organization" text NOT NULL,
	"workspace_id" text NOT NULL,
	"name" text NOT NULL,
	"tags" jsonb NOT NULL,
	"read_at" timestamp with time zone NOT NULL,
	CONSTRAINT "statement_workspaces_statement_no_organization_workspace_id_pk" PRIMARY KEY("statement_no","organization","workspace_id")
);
--> statement-breakpoint
CREATE TABLE "statements" (
	"statement_no" integer PRIMARY KEY NOT NULL,
	"month" date NOT NULL,
	"revision" integer NOT NULL,
	"state" text NOT NULL,
	"version" integer,
	"total" numeric NOT NULL,
	"total_adjustment" numeric NOT NULL,
	"lines" integer NOT NULL,
	"provisional_days" integer NOT NULL,
	"missing_days" integer NOT NULL,
	"uncovered_days" integer NOT NULL,
	"hash" "bytea" NOT NULL,
	"invoice_amount" numeric,
	"override" text,
	"closed_by" text NOT NULL,
	"closed_at" timestamp with time zone DEFAULT now() NOT NULL,
	"reopened_by" text,
	"reopened_at" timestamp with time zone,
	"reopen_reason" text,
	CONSTRAINT "statements_revision" UNIQUE("month","revision"),
	CONSTRAINT "statements_month" CHECK (extract(day from "statements"."month") = 1),
	CONSTRAINT "statements_revision_number" CHECK ("statements"."revision" >= 1),
	CONSTRAINT "statements_state" CHECK ("statements"."state" in ('closed', 'reopened')),
	CONSTRAINT "statements_finite" CHECK ("statements"."total" not in ('NaN', 'Infinity', '-Infinity') and "statements"."total_adjustment" not in ('NaN', 'Infinity', '-Infinity') and "statements"."invoice_amount" not in ('NaN', 'Infinity', '-Infinity')),
	CONSTRAINT "statements_counts" CHECK (least("statements"."lines", "statements"."provisional_days", "statements"."missing_days", "statements"."uncovered_days") >= 0),
	CONSTRAINT "statements_override" CHECK ("statements"."provisional_days" + "statements"."missing_days" + "statements"."uncovered_days" = 0 or "statements"."override" is not null),
	CONSTRAINT "statements_hash" CHECK (octet_length("statements"."hash") = 32),
	CONSTRAINT "statements_reopened" CHECK (("statements"."state" = 'reopened') = (num_nonnulls("statements"."reopened_by", "statements"."reopened_at", "statements"."reopen_reason") = 3)),
	CONSTRAINT "statements_actor" CHECK ("statements"."closed_by" <> '')
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
	"failure" jsonb,
	"waiting" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"assessed" boolean DEFAULT false NOT NULL,
	CONSTRAINT "syncs_connection_id_n_run_id_pk" PRIMARY KEY("connection_id","n","run_id"),
	CONSTRAINT "syncs_n" CHECK ("syncs"."n" >= 1),
	CONSTRAINT "syncs_run" CHECK ("syncs"."run_id" <> ''),
	CONSTRAINT "syncs_kind" CHECK ("syncs"."kind" in ('backfill', 'daily', 'catch_up', 'manual')),
	CONSTRAINT "syncs_state" CHECK ("syncs"."state" in ('running', 'succeeded', 'failed')),
	CONSTRAINT "syncs_window" CHECK ("syncs"."from_day" <= "syncs"."to_day"),
	CONSTRAINT "syncs_counts" CHECK (least("syncs"."requests", "syncs"."bytes") >= 0),
	CONSTRAINT "syncs_days" CHECK (least("syncs"."days_read", "syncs"."days_changed") >= 0 and "syncs"."days_changed" <= "syncs"."days_read"),
	CONSTRAINT "syncs_ended" CHECK (("syncs"."state" = 'running') = ("syncs"."ended_at" is null)),
	CONSTRAINT "syncs_failure" CHECK (("syncs"."state" = 'failed') = ("syncs"."failure" is not null))
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"role" text NOT NULL,
	"hash" "bytea" NOT NULL,
	"created_with" uuid,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_by" text,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	CONSTRAINT "tokens_hash_unique" UNIQUE("hash"),
	CONSTRAINT "tokens_name" CHECK (char_length("tokens"."name") between 1 and 100),
	CONSTRAINT "tokens_role" CHECK ("tokens"."role" in ('admin', 'viewer')),
	CONSTRAINT "tokens_hash" CHECK (octet_length("tokens"."hash") = 32),
	CONSTRAINT "tokens_created_by" CHECK ("tokens"."created_by" <> ''),
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
	"unit_id" uuid NOT NULL,
	CONSTRAINT "usage_series_connection_id_series_id_pk" PRIMARY KEY("connection_id","series_id"),
	CONSTRAINT "usage_series_no" UNIQUE("series_no")
);
--> statement-breakpoint
CREATE TABLE "workspace_names" (
	"connection_id" uuid NOT NULL,
	"workspace_id" text NOT NULL,
	"id" bigserial NOT NULL,
	"name" text NOT NULL,
	"first_seen" date NOT NULL,
	CONSTRAINT "workspace_names_connection_id_workspace_id_id_pk" PRIMARY KEY("connection_id","workspace_id","id"),
	CONSTRAINT "workspace_names_name" CHECK (char_length("workspace_names"."name") between 1 and 500)
);
--> statement-breakpoint
CREATE TABLE "workspace_tags" (
	"connection_id" uuid NOT NULL,
	"workspace_id" text NOT NULL,
	"key" text NOT NULL,
	"value" text NOT NULL,
	"first_seen" date NOT NULL,
	CONSTRAINT "workspace_tags_connection_id_workspace_id_key_pk" PRIMARY KEY("connection_id","workspace_id","key"),
	CONSTRAINT "workspace_tags_key" CHECK (char_length("workspace_tags"."key") between 1 and 200),
	CONSTRAINT "workspace_tags_value" CHECK (char_length("workspace_tags"."value") between 1 and 500)
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
ALTER TABLE "anomaly_assessments" ADD CONSTRAINT "anomaly_assessments_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_alerts" ADD CONSTRAINT "budget_alerts_budget_id_budgets_id_fk" FOREIGN KEY ("budget_id") REFERENCES "public"."budgets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_alerts" ADD CONSTRAINT "budget_alerts_notice_id_notices_id_fk" FOREIGN KEY ("notice_id") REFERENCES "public"."notices"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_channels" ADD CONSTRAINT "budget_channels_budget_id_budgets_id_fk" FOREIGN KEY ("budget_id") REFERENCES "public"."budgets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_channels" ADD CONSTRAINT "budget_channels_channel_id_channels_id_fk" FOREIGN KEY ("channel_id") REFERENCES "public"."channels"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "budget_thresholds" ADD CONSTRAINT "budget_thresholds_budget_id_budgets_id_fk" FOREIGN KEY ("budget_id") REFERENCES "public"."budgets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "channel_addresses" ADD CONSTRAINT "channel_addresses_channel_id_channels_id_fk" FOREIGN KEY ("channel_id") REFERENCES "public"."channels"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "days" ADD CONSTRAINT "days_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_notice_id_notices_id_fk" FOREIGN KEY ("notice_id") REFERENCES "public"."notices"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_channel_id_channels_id_fk" FOREIGN KEY ("channel_id") REFERENCES "public"."channels"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "forecasts" ADD CONSTRAINT "forecasts_budget_id_budgets_id_fk" FOREIGN KEY ("budget_id") REFERENCES "public"."budgets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "forecasts" ADD CONSTRAINT "forecasts_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incident_feedback" ADD CONSTRAINT "incident_feedback_incident_id_incidents_id_fk" FOREIGN KEY ("incident_id") REFERENCES "public"."incidents"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incidents" ADD CONSTRAINT "incidents_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "incidents" ADD CONSTRAINT "incidents_notice_id_notices_id_fk" FOREIGN KEY ("notice_id") REFERENCES "public"."notices"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notices" ADD CONSTRAINT "notices_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_last_notice_id_notices_id_fk" FOREIGN KEY ("last_notice_id") REFERENCES "public"."notices"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "restatements" ADD CONSTRAINT "restatements_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_token_id_tokens_id_fk" FOREIGN KEY ("token_id") REFERENCES "public"."tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "statements" ADD CONSTRAINT "statements_version_allocation_versions_version_fk" FOREIGN KEY ("version") REFERENCES "public"."allocation_versions"("version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "syncs" ADD CONSTRAINT "syncs_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_created_with_tokens_id_fk" FOREIGN KEY ("created_with") REFERENCES "public"."tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace_names" ADD CONSTRAINT "workspace_names_workspace" FOREIGN KEY ("connection_id","workspace_id") REFERENCES "public"."workspaces"("connection_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspace_tags" ADD CONSTRAINT "workspace_tags_workspace" FOREIGN KEY ("connection_id","workspace_id") REFERENCES "public"."workspaces"("connection_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workspaces" ADD CONSTRAINT "workspaces_connection_id_connections_id_fk" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "budget_alerts_once" ON "budget_alerts" USING btree ("budget_id","from_day","to_day","of",coalesce("percent", 0),coalesce("usd", 0)) WHERE "budget_alerts"."withdrawn_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "budget_alerts_notice" ON "budget_alerts" USING btree ("notice_id");--> statement-breakpoint
CREATE INDEX "budget_alerts_of_budget" ON "budget_alerts" USING btree ("budget_id","from_day");--> statement-breakpoint
CREATE UNIQUE INDEX "budget_thresholds_once" ON "budget_thresholds" USING btree ("budget_id","of",coalesce("percent", 0),coalesce("usd", 0));--> statement-breakpoint
CREATE UNIQUE INDEX "budgets_one_by_name" ON "budgets" USING btree ("name") WHERE "budgets"."deleted_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "budgets_by_no" ON "budgets" USING btree ("no");--> statement-breakpoint
CREATE UNIQUE INDEX "channel_addresses_one" ON "channel_addresses" USING btree ("channel_id",lower("address"));--> statement-breakpoint
CREATE UNIQUE INDEX "channels_one_by_name" ON "channels" USING btree ("name") WHERE "channels"."deleted_at" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "channels_by_no" ON "channels" USING btree ("no");--> statement-breakpoint
CREATE INDEX "channels_by_encryption_key" ON "channels" USING btree ("encryption_key_id") WHERE "channels"."sealed" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "connections_one_live_per_organization" ON "connections" USING btree ("organization_id") WHERE status not in ('refused', 'disconnected');--> statement-breakpoint
CREATE INDEX "connections_by_creation" ON "connections" USING btree ("created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_once" ON "deliveries" USING btree ("notice_id","occasion",lower("address"));--> statement-breakpoint
CREATE UNIQUE INDEX "deliveries_by_no" ON "deliveries" USING btree ("no");--> statement-breakpoint
CREATE INDEX "deliveries_by_state" ON "deliveries" USING btree ("state","no");--> statement-breakpoint
CREATE INDEX "deliveries_of_channel" ON "deliveries" USING btree ("channel_id","no");--> statement-breakpoint
CREATE INDEX "deliveries_under_way" ON "deliveries" USING btree ("no") WHERE state in ('pending', 'sending');--> statement-breakpoint
CREATE INDEX "deployment_events_by_type" ON "deployment_events" USING btree ("type","id");--> statement-breakpoint
CREATE UNIQUE INDEX "events_dedup" ON "events" USING btree ("connection_id","dedup_key") WHERE "events"."dedup_key" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "forecasts_of_budget" ON "forecasts" USING btree ("budget_id","from_day","to_day","made_on");--> statement-breakpoint
CREATE UNIQUE INDEX "forecasts_of_connection" ON "forecasts" USING btree ("connection_id","from_day","to_day","made_on");--> statement-breakpoint
CREATE INDEX "forecasts_unjudged" ON "forecasts" USING btree ("to_day") WHERE actual is null and method is not null;--> statement-breakpoint
CREATE INDEX "incident_feedback_unassessed" ON "incident_feedback" USING btree ("no") WHERE not is_assessed;--> statement-breakpoint
CREATE INDEX "incident_feedback_of_incident" ON "incident_feedback" USING btree ("incident_id","no");--> statement-breakpoint
CREATE UNIQUE INDEX "incidents_once" ON "incidents" USING btree ("connection_id",md5("key"));--> statement-breakpoint
CREATE UNIQUE INDEX "incidents_by_no" ON "incidents" USING btree ("no");--> statement-breakpoint
CREATE INDEX "incidents_of_connection" ON "incidents" USING btree ("connection_id","no");--> statement-breakpoint
CREATE INDEX "incidents_open" ON "incidents" USING btree ("no") WHERE state = 'open';--> statement-breakpoint
CREATE UNIQUE INDEX "keys_one_active" ON "keys" USING btree ("connection_id") WHERE state = 'active';--> statement-breakpoint
CREATE INDEX "keys_by_encryption_key" ON "keys" USING btree ("encryption_key_id") WHERE "keys"."sealed" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "notices_once" ON "notices" USING btree ("dedupe_key");--> statement-breakpoint
CREATE UNIQUE INDEX "notices_by_no" ON "notices" USING btree ("no");--> statement-breakpoint
CREATE INDEX "notices_by_kind" ON "notices" USING btree ("kind","no");--> statement-breakpoint
CREATE INDEX "notices_of_connection" ON "notices" USING btree ("connection_id","kind","opened_at");--> statement-breakpoint
CREATE UNIQUE INDEX "reports_one_by_name" ON "reports" USING btree ("name");--> statement-breakpoint
CREATE UNIQUE INDEX "reports_by_no" ON "reports" USING btree ("no");--> statement-breakpoint
CREATE INDEX "restatements_unweighed" ON "restatements" USING btree ("connection_id") WHERE not weighed;--> statement-breakpoint
CREATE UNIQUE INDEX "statements_one_closed_per_month" ON "statements" USING btree ("month") WHERE state = 'closed';--> statement-breakpoint
CREATE INDEX "syncs_running" ON "syncs" USING btree ("connection_id") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "syncs_unassessed" ON "syncs" USING btree ("connection_id") WHERE not assessed and state <> 'running';--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_one_by_name" ON "tokens" USING btree ("name") WHERE "tokens"."revoked_at" is null;--> statement-breakpoint
CREATE INDEX "usage_lines_with_extra_counts" ON "usage_lines" USING btree ("day_no") WHERE "usage_lines"."extra_counts" is not null;--> statement-breakpoint
-- Counts that this release does not know by name are tokens if their name ends in "tokens". Those add to the total of
-- their day. The function is strict, so Postgres does not call it for the many lines that have no such counts.
CREATE FUNCTION "other_tokens"("extra_counts" jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT sum(count.value::numeric) FROM jsonb_each_text("extra_counts") AS count WHERE count.key LIKE '%tokens');
--> statement-breakpoint
-- These two views say what counts. The public views below and the replies of the API are built on them; they are not
-- public themselves.
--
-- The connections that count. A connection whose organization is not known yet stands for an organization of its own.
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
  -- Null for the newest connection of an organization. Nearly every connection is, and then its days need no look-up.
  array_agg(id) OVER (
    PARTITION BY coalesce(organization_id, id::text)
    ORDER BY created_at DESC, id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS newer
FROM connections
WHERE status <> 'refused';
--> statement-breakpoint
-- An organization that was disconnected and connected again has some days twice. Each day of a report counts once, from
-- the newest connection that has it stored. A newer connection does not hide a day that it has not read yet.
CREATE VIEW "counted_days" AS
SELECT
  d.day_no,
  d.connection_id,
  d.report,
  d.day,
  d.state,
  d.reconciled,
  d.disagrees_with,
  d.lines,
  d.total,
  d.read_at,
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
-- A workspace has the name that Anthropic listed last, to any connection of its organization. That is nearly always the
-- day's own connection, so the view joins its list and looks the others up only where there are any.
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
-- For each connection, the workspaces of its organization as one of its connections listed them last.
CREATE VIEW "current_workspaces" AS
SELECT
  w.connection_id,
  w.workspace_id,
  w.name,
  (
    SELECT jsonb_object_agg('tag.' || t.key, t.value) FROM workspace_tags t
    WHERE t.connection_id = w.listed_by AND t.workspace_id = w.workspace_id
  ) AS tags
FROM (
  SELECT DISTINCT ON (c.id, w.id) c.id AS connection_id, w.id AS workspace_id, w.name, w.connection_id AS listed_by
  FROM counting_connections c JOIN workspaces w ON w.connection_id = ANY (c.siblings)
  ORDER BY c.id, w.id, w.read_at DESC, w.connection_id
) w;
--> statement-breakpoint
-- As `costs`, but from the sums that the ledger keeps by these dimensions.
CREATE VIEW "daily_costs" AS
SELECT
  d.connection_id,
  d.connection_name,
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
  s.cost_type,
  s.currency,
  r.amount,
  d.state AS day_state
FROM counted_days d
JOIN cost_rollup r ON r.day_no = d.day_no
JOIN cost_series s ON s.series_no = r.series_no
LEFT JOIN workspaces w ON w.connection_id = d.connection_id AND w.id = s.workspace_id
WHERE d.report = 'cost';
--> statement-breakpoint
COMMENT ON VIEW "daily_costs" IS 'Cost per UTC day, workspace, model, cost type and currency, each day of an organization once. Sums equal those of costs, and take a fraction of the time over years.';
--> statement-breakpoint
-- Where costs and tokens meet: on a day of a connection, by the number of the unit (workspace, model, tier, context window
-- and geography in one) and the kind of token. Kinds 1 to 5 have a column in usage; kind 0 is the token type that `other`
-- names, or costs without any. As in db/spend/unit-cells.
--
-- Cells and lines are added up before anything else, so that a filter on the day or the connection reaches `days`, and
-- names are looked up for few rows. Columns that a query does not ask for cost nothing, since Postgres leaves their joins
-- out.
CREATE VIEW "unit_costs" AS
SELECT
  k.connection_id,
  k.connection_name,
  k.organization_id,
  k.organization_name,
  k.day,
  k.workspace_id,
  k.workspace_name,
  k.model,
  CASE k.kind
    WHEN 0 THEN nullif(substr(k.other, 2), '')
    WHEN 1 THEN 'uncached_input_tokens'
    WHEN 2 THEN 'output_tokens'
    WHEN 3 THEN 'cache_read_input_tokens'
    WHEN 4 THEN 'cache_creation.ephemeral_5m_input_tokens'
    WHEN 5 THEN 'cache_creation.ephemeral_1h_input_tokens'
  END AS token_type,
  k.context_window,
  k.service_tier,
  k.inference_geo,
  k.currency,
  coalesce(k.amount, 0) AS amount,
  CASE WHEN k.tokens > 0 THEN 0 ELSE coalesce(k.amount, 0) END AS unmatched_amount,
  coalesce(k.tokens, 0) AS tokens,
  CASE WHEN k.amount IS NULL THEN k.tokens ELSE 0 END AS unpriced_tokens,
  -- A plain division keeps too few digits of large quotients, and rounding it again would round twice.
  CASE WHEN k.currency = 'USD' AND k.tokens > 0 THEN (
    SELECT trim_scale((q.whole + CASE
      WHEN 2 * abs(q.rest) > k.tokens OR (2 * abs(q.rest) = k.tokens AND mod(q.whole, 2) <> 0) THEN sign(q.rest)
      ELSE 0
    END) * 1e-12)
    FROM (SELECT div(k.amount * 1e18, k.tokens) AS whole, mod(k.amount * 1e18, k.tokens) AS rest) q
  ) END AS usd_per_million,
  k.day_state
FROM (
  SELECT
    u.connection_id,
    c.name AS connection_name,
    c.organization_id,
    c.organization_name,
    u.day,
    u.other,
    s.workspace_id,
    CASE WHEN s.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(w.name, s.workspace_id) END AS workspace_name,
    s.model,
    s.context_window,
    s.service_tier,
    s.inference_geo,
    CASE WHEN state.is_provisional THEN 'provisional' ELSE 'final' END AS day_state,
    unnest('{0,1,2,3,4,5}'::integer[] || x.kinds) AS kind,
    unnest(array[CASE WHEN u.a0 IS NOT NULL THEN 'USD' END, CASE WHEN u.a1 IS NOT NULL THEN 'USD' END, CASE WHEN u.a2 IS NOT NULL THEN 'USD' END, CASE WHEN u.a3 IS NOT NULL THEN 'USD' END, CASE WHEN u.a4 IS NOT NULL THEN 'USD' END, CASE WHEN u.a5 IS NOT NULL THEN 'USD' END] || x.currencies) AS currency,
    unnest(array[u.a0, u.a1, u.a2, u.a3, u.a4, u.a5] || x.amounts) AS amount,
    unnest(
      CASE WHEN u.others IS NULL THEN array[u.t0, u.t1, u.t2, u.t3, u.t4, u.t5]
      ELSE array[
        CASE WHEN u.a0 IS NOT NULL OR NOT u.others @> '[{"kind": 0}]' THEN u.t0 END,
        CASE WHEN u.a1 IS NOT NULL OR NOT u.others @> '[{"kind": 1}]' THEN u.t1 END,
        CASE WHEN u.a2 IS NOT NULL OR NOT u.others @> '[{"kind": 2}]' THEN u.t2 END,
        CASE WHEN u.a3 IS NOT NULL OR NOT u.others @> '[{"kind": 3}]' THEN u.t3 END,
        CASE WHEN u.a4 IS NOT NULL OR NOT u.others @> '[{"kind": 4}]' THEN u.t4 END,
        CASE WHEN u.a5 IS NOT NULL OR NOT u.others @> '[{"kind": 5}]' THEN u.t5 END
      ] || x.tokens END
    ) AS tokens
  FROM (
    SELECT
      connection_id,
      day,
      unit_id,
      other,
      sum(a0) AS a0,
      sum(a1) AS a1,
      sum(a2) AS a2,
      sum(a3) AS a3,
      sum(a4) AS a4,
      sum(a5) AS a5,
      nullif(sum(t0), 0) AS t0,
      nullif(sum(t1), 0) AS t1,
      nullif(sum(t2), 0) AS t2,
      nullif(sum(t3), 0) AS t3,
      nullif(sum(t4), 0) AS t4,
      nullif(sum(t5), 0) AS t5,
      jsonb_path_query_array(jsonb_agg(others) FILTER (WHERE others IS NOT NULL), '$[*][*]') AS others,
      min(cost_series) AS cost_series,
      min(usage_series) AS usage_series
    FROM (
      SELECT
        d.connection_id,
        d.day,
        s.unit_id,
        CASE WHEN s.token_kind IS NULL AND s.token_type IS NOT NULL THEN ':' || s.token_type ELSE '' END AS other,
        CASE WHEN s.currency = 'USD' THEN l.other END AS a0,
        CASE WHEN s.currency = 'USD' THEN l.uncached_input_tokens END AS a1,
        CASE WHEN s.currency = 'USD' THEN l.output_tokens END AS a2,
        CASE WHEN s.currency = 'USD' THEN l.cache_read_input_tokens END AS a3,
        CASE WHEN s.currency = 'USD' THEN l.cache_creation_5m END AS a4,
        CASE WHEN s.currency = 'USD' THEN l.cache_creation_1h END AS a5,
        CASE WHEN s.currency <> 'USD' THEN (
          SELECT jsonb_agg(jsonb_build_object('kind', k.kind, 'currency', s.currency, 'amount', k.amount))
          FROM (
            VALUES
              (0, l.other),
              (1, l.uncached_input_tokens),
              (2, l.output_tokens),
              (3, l.cache_read_input_tokens),
              (4, l.cache_creation_5m),
              (5, l.cache_creation_1h)
          ) AS k(kind, amount)
          WHERE k.amount IS NOT NULL
        ) END AS others,
        NULL::numeric AS t0,
        NULL::bigint AS t1,
        NULL::bigint AS t2,
        NULL::bigint AS t3,
        NULL::bigint AS t4,
        NULL::bigint AS t5,
        s.series_no AS cost_series,
        NULL::integer AS usage_series
      FROM counted_days d
      JOIN cost_cells l ON l.day_no = d.day_no
      JOIN cost_series s ON s.series_no = l.series_no
      WHERE d.report = 'cost'
      UNION ALL
      SELECT
        d.connection_id, d.day, s.unit_id, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        l.uncached_input_tokens, l.output_tokens, l.cache_read_input_tokens, l.cache_creation_5m, l.cache_creation_1h,
        NULL, s.series_no
      FROM counted_days d
      JOIN usage_lines l ON l.day_no = d.day_no
      JOIN usage_series s ON s.series_no = l.series_no
      WHERE d.report = 'usage'
      UNION ALL
      SELECT
        d.connection_id, d.day, s.unit_id, ':' || more.key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, more.value::numeric,
        NULL, NULL, NULL, NULL, NULL,
        NULL, s.series_no
      FROM counted_days d
      JOIN usage_lines l ON l.day_no = d.day_no AND l.extra_counts IS NOT NULL
      JOIN usage_series s ON s.series_no = l.series_no
      CROSS JOIN LATERAL jsonb_each_text(l.extra_counts) AS more
      WHERE d.report = 'usage' AND more.key LIKE '%tokens'
    ) lines
    GROUP BY connection_id, day, unit_id, other
  ) u
  JOIN counting_connections c ON c.id = u.connection_id
  LEFT JOIN cost_series cs ON cs.series_no = u.cost_series
  LEFT JOIN usage_series us ON us.series_no = u.usage_series
  CROSS JOIN LATERAL (
    SELECT
      coalesce(cs.workspace_id, us.workspace_id) AS workspace_id,
      coalesce(cs.model, us.model) AS model,
      coalesce(cs.context_window, us.context_window) AS context_window,
      coalesce(cs.service_tier, us.service_tier) AS service_tier,
      nullif(coalesce(cs.inference_geo, us.inference_geo), 'not_available') AS inference_geo
  ) s
  LEFT JOIN current_workspaces w ON w.connection_id = u.connection_id AND w.workspace_id = s.workspace_id
  LEFT JOIN (
    SELECT connection_id, day, bool_or(d.state = 'provisional') AS is_provisional FROM counted_days d GROUP BY connection_id, day
  ) state ON state.connection_id = u.connection_id AND state.day = u.day
  -- Tokens are in the row of the currency that billed them, US dollars before others; tokens that no currency billed are in a
  -- row without one. Nearly no unit has another currency.
  LEFT JOIN LATERAL (
    SELECT
      array_agg(o.kind) AS kinds,
      array_agg(o.currency) AS currencies,
      array_agg(o.amount) AS amounts,
      array_agg(CASE WHEN o.place = 1 THEN CASE o.kind
        WHEN 0 THEN CASE WHEN u.a0 IS NULL THEN u.t0 END
        WHEN 1 THEN CASE WHEN u.a1 IS NULL THEN u.t1 END
        WHEN 2 THEN CASE WHEN u.a2 IS NULL THEN u.t2 END
        WHEN 3 THEN CASE WHEN u.a3 IS NULL THEN u.t3 END
        WHEN 4 THEN CASE WHEN u.a4 IS NULL THEN u.t4 END
        WHEN 5 THEN CASE WHEN u.a5 IS NULL THEN u.t5 END
      END END) AS tokens
    FROM (
      SELECT kind, currency, sum(amount) AS amount, row_number() OVER (PARTITION BY kind ORDER BY currency) AS place
      FROM jsonb_to_recordset(u.others) AS other_currency(kind integer, currency text, amount numeric)
      GROUP BY kind, currency
    ) o
    HAVING u.others IS NOT NULL
  ) x ON u.others IS NOT NULL
) k
WHERE k.amount IS NOT NULL OR k.tokens IS NOT NULL;
--> statement-breakpoint
COMMENT ON VIEW "unit_costs" IS 'What tokens cost: a row per connection, UTC day, unit, token type and currency, each day of an organization once. Over any rows in USD, (sum(amount) - sum(unmatched_amount)) / (sum(tokens) - sum(unpriced_tokens)) * 1e6 is the price of a million tokens.';
--> statement-breakpoint
-- A day that several connections of an organization cover is to be read once. Stored, it counts from the newest connection
-- that has it; missing, it is the newest connection that covers it which lacks it. As in db/spend/completeness.
CREATE VIEW "coverage" AS
SELECT
  coalesce(d.connection_id, due.connection_id) AS connection_id,
  CASE WHEN d.day_no IS NULL THEN due.name ELSE d.connection_name END AS connection_name,
  CASE WHEN d.day_no IS NULL THEN due.organization_id ELSE d.organization_id END AS organization_id,
  CASE WHEN d.day_no IS NULL THEN due.organization_name ELSE d.organization_name END AS organization_name,
  due.report,
  due.day,
  coalesce(d.state, 'missing') AS state,
  coalesce(d.reconciled, false) AS reconciled,
  d.disagrees_with IS NOT NULL AS flagged,
  d.lines,
  d.total,
  d.read_at
FROM (
  SELECT c.id AS connection_id, c.name, c.organization, c.organization_id, c.organization_name, r.report, dated.day::date AS day
  FROM counting_connections c
  CROSS JOIN (VALUES ('cost'), ('usage')) AS r(report)
  CROSS JOIN LATERAL generate_series(
    c.began::timestamp,
    least((now() AT TIME ZONE 'UTC')::date, (c.ended_at AT TIME ZONE 'UTC')::date)::timestamp,
    interval '1 day'
  ) AS dated(day)
  WHERE c.purged_at IS NULL AND (c.newer IS NULL OR NOT EXISTS (
    SELECT FROM connections n
    WHERE n.id = ANY (c.newer) AND n.purged_at IS NULL
      AND dated.day >= n.began AND (n.ended_at IS NULL OR dated.day <= (n.ended_at AT TIME ZONE 'UTC')::date)
  ))
) due
LEFT JOIN counted_days d ON d.organization = due.organization AND d.report = due.report AND d.day = due.day;
--> statement-breakpoint
COMMENT ON VIEW "coverage" IS 'Every UTC day that is to be read, per organization and report, from its first day to today or its end: missing, provisional or final. A missing day has a row here and none in costs or usage.';
--> statement-breakpoint
CREATE VIEW "restated_days" AS
SELECT
  d.connection_id,
  d.connection_name,
  d.organization_id,
  d.organization_name,
  d.report,
  d.day,
  r.before,
  r.after,
  r.after - r.before AS changed,
  r.times,
  r.restated_at
FROM (
  SELECT
    connection_id,
    report,
    day,
    (array_agg(before ORDER BY id))[1] AS before,
    (array_agg(after ORDER BY id DESC))[1] AS after,
    count(*)::integer AS times,
    max(at) AS restated_at
  FROM restatements
  GROUP BY connection_id, report, day
) r
JOIN counted_days d ON d.connection_id = r.connection_id AND d.report = r.report AND d.day = r.day;
--> statement-breakpoint
COMMENT ON VIEW "restated_days" IS 'Days whose numbers changed after they had been read complete: totals as first read and as restated last, in USD for cost and tokens for usage.';
--> statement-breakpoint
-- Assessments write what budgets spent and are expected to come to; the view adds nothing up.
CREATE VIEW "budget_status" AS
SELECT
  b.id AS budget_id,
  b.name AS budget_name,
  p.from_day AS period_from,
  p.to_day AS period_to,
  b.amount,
  f.spent,
  -- Cut after two decimals, so that 100 is reached, not near.
  div(f.spent * 10000, b.amount) * 0.01 AS spent_percent,
  f.spent_through,
  f.shown_mean AS forecast,
  f.shown_low AS forecast_low,
  f.shown_high AS forecast_high,
  div(f.shown_mean * 10000, b.amount) * 0.01 AS forecast_percent,
  f.method,
  f.reason,
  f.made_on
FROM budgets b
CROSS JOIN LATERAL (
  SELECT
    CASE b.recurs WHEN 'fixed' THEN b.from_day ELSE date_trunc(b.recurs, now() AT TIME ZONE 'UTC')::date END AS from_day,
    CASE b.recurs
      WHEN 'fixed' THEN b.to_day
      ELSE (
        date_trunc(b.recurs, now() AT TIME ZONE 'UTC')
          + CASE b.recurs WHEN 'month' THEN interval '1 month' WHEN 'quarter' THEN interval '3 months' ELSE interval '1 year' END
          - interval '1 day'
      )::date
    END AS to_day
) p
LEFT JOIN LATERAL (
  SELECT * FROM forecasts f
  WHERE b.is_judged AND f.budget_id = b.id AND f.from_day = p.from_day AND f.to_day = p.to_day
  ORDER BY f.made_on DESC
  LIMIT 1
) f ON true
WHERE b.deleted_at IS NULL;
--> statement-breakpoint
COMMENT ON VIEW "budget_status" IS 'Each budget in the period that runs now, as of the last assessment, which follows each sync: what is spent and what the period is expected to come to, in USD. Null before the first assessment, and after a change of the budget until the next.';
--> statement-breakpoint
CREATE VIEW "monthly_forecasts" AS
SELECT
  f.connection_id,
  c.name AS connection_name,
  c.organization_id,
  c.organization_name,
  f.month,
  f.made_on,
  f.basis_day,
  f.method,
  f.reason,
  f.shown_mean AS forecast,
  f.shown_low AS forecast_low,
  f.shown_high AS forecast_high
FROM (
  -- An organization that was connected again has forecasts of both connections for the same month.
  SELECT DISTINCT ON (n.organization, to_char(o.from_day::timestamp, 'YYYY-MM'))
    o.*,
    to_char(o.from_day::timestamp, 'YYYY-MM') AS month
  FROM forecasts o
  JOIN counting_connections n ON n.id = o.connection_id
  ORDER BY n.organization, to_char(o.from_day::timestamp, 'YYYY-MM'), o.made_on DESC, n.created_at DESC, n.id DESC
) f
JOIN counting_connections c ON c.id = f.connection_id;
--> statement-breakpoint
COMMENT ON VIEW "monthly_forecasts" IS 'What each month of an organization was expected to come to in USD, by the last forecast that was made of it; null forecasts have a reason.';
--> statement-breakpoint
-- The functions and views that follow are what `allocated_costs` is made of. The functions read no table, so
-- the right to select from the view suffices. The API has the shares of an open month from here, and decides everything else
-- in domain/allocation; tests compare.
--
-- What the rules of a document ask for: the values that they name, as keys, by dimension. A null value has no key. Rules
-- treat all values alike that none of them names. `tag.<key>` is the tag of a workspace.
CREATE FUNCTION "allocation_values"("rules" jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  SELECT coalesce(jsonb_object_agg(asked.dimension, asked.named), '{}')
  FROM (
    SELECT each_condition.dimension, coalesce(jsonb_object_agg(v.value, true) FILTER (WHERE v.value IS NOT NULL), '{}') AS named
    FROM jsonb_array_elements("rules") AS r(rule)
    CROSS JOIN LATERAL (
      SELECT c.key, c.value FROM jsonb_each((r.rule -> 'where') - 'not') AS c
      UNION ALL
      SELECT c.key, c.value FROM jsonb_each(r.rule -> 'where' -> 'not') AS c
      UNION ALL
      SELECT 'tag.' || (r.rule -> 'to' ->> 'tag'), '[null]' WHERE r.rule -> 'to' ->> 'tag' IS NOT NULL
    ) AS each_condition(dimension, one_of)
    CROSS JOIN LATERAL jsonb_array_elements_text(each_condition.one_of) AS v(value)
    GROUP BY each_condition.dimension
  ) AS asked
);
--> statement-breakpoint
-- Which rules let a value of a dimension through: a bit for each rule, in their order. The first rule that lets every value
-- of a line through decides. `value` is null for a line without one; the word `default` stands for the default workspace.
CREATE FUNCTION "allocation_mask"("rules" jsonb, "dimension" text, "value" text) RETURNS bit
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  SELECT string_agg(
    CASE
      WHEN NOT r.rule -> 'where' -> "dimension" @> coalesce(to_jsonb("value"), 'null') THEN '0'
      WHEN r.rule -> 'where' -> 'not' -> "dimension" @> coalesce(to_jsonb("value"), 'null') THEN '0'
      WHEN "value" IS NULL AND "dimension" = 'tag.' || (r.rule -> 'to' ->> 'tag') THEN '0'
      ELSE '1'
    END,
    '' ORDER BY r.place
  )::bit varying
  FROM jsonb_array_elements("rules") WITH ORDINALITY AS r(rule, place)
);
--> statement-breakpoint
-- The fractions of each pool that its cost centers get, through later pools; the center is null for what stays with
-- nobody. `cost` and `tokens` say what the rules give, by `center <name>` and `pool <name>`.
CREATE FUNCTION "allocation_shares"("pools" jsonb, "cost" jsonb, "tokens" jsonb)
RETURNS TABLE ("pool" text, "center" text, "fraction" numeric)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
#variable_conflict use_column
DECLARE
  has_cost jsonb := coalesce(cost, '{}');
  has_tokens jsonb := coalesce(tokens, '{}');
  -- Without `among`, whoever has direct cost shares.
  centers text[] := array(SELECT key FROM jsonb_object_keys(has_cost) AS key WHERE key LIKE 'center %');
  fractions jsonb := '{}';
  through_pools jsonb := '{}';
  one jsonb;
  own text;
  shares jsonb;
BEGIN
  FOR one IN SELECT p.value FROM jsonb_array_elements(pools) WITH ORDINALITY AS p(value, place) ORDER BY p.place LOOP
    own := 'pool ' || (one ->> 'name');
    WITH recipients AS (
      SELECT key, substr(key, strpos(key, ' ') + 1) AS name
      FROM unnest(CASE WHEN one ? 'among' THEN array(
        SELECT CASE jsonb_typeof(r) WHEN 'string' THEN 'center ' || (r #>> '{}') ELSE 'pool ' || (r ->> 'pool') END
        FROM jsonb_array_elements(one -> 'among') AS r
      ) ELSE centers END) AS key
    ),
    given AS (
      SELECT key, greatest(0, coalesce(CASE
        WHEN one -> 'split' = '"even"' THEN 1
        WHEN one -> 'split' ? 'fixed' THEN (one -> 'split' -> 'fixed' ->> name)::numeric
        WHEN one -> 'split' ->> 'proportional' = 'cost' THEN (has_cost ->> key)::numeric
        ELSE (has_tokens ->> key)::numeric
      END, 0)) AS weight
      FROM recipients
    ),
    weights AS (
      SELECT key, CASE WHEN sum(weight) OVER () = 0 THEN 1 ELSE weight END AS weight FROM given
    ),
    parts AS (
      SELECT key, weight, sum(weight) OVER () AS total, div(weight * 1000000000000, sum(weight) OVER ()) AS units
      FROM weights
    ),
    -- What rounding leaves goes to the largest remainders, ties by name. Names are in the order of UTF-16, as in the
    -- API, where the last part of the first plane follows all other planes.
    placed AS (
      SELECT key, units, 1000000000000 - sum(units) OVER () AS units_left, row_number() OVER (
        ORDER BY weight * 1000000000000 - units * total DESC,
          regexp_replace(key, '[\uE000-\uFFFF]', E'\U0010FFFF\\&', 'g') COLLATE "C"
      ) AS place
      FROM parts
    )
    SELECT coalesce(jsonb_object_agg(
      key, trim_scale((units + CASE WHEN place <= units_left THEN 1 ELSE 0 END) * 0.000000000001)
    ), '{}')
    INTO shares
    FROM placed;
    has_cost := has_cost || coalesce((
      SELECT jsonb_object_agg(key, coalesce((has_cost ->> key)::numeric, 0)
        + value::numeric * coalesce((has_cost ->> own)::numeric, 0))
      FROM jsonb_each_text(shares)
    ), '{}');
    has_tokens := has_tokens || coalesce((
      SELECT jsonb_object_agg(key, coalesce((has_tokens ->> key)::numeric, 0)
        + value::numeric * coalesce((has_tokens ->> own)::numeric, 0))
      FROM jsonb_each_text(shares)
    ), '{}');
    fractions := fractions || jsonb_build_object(own, shares);
  END LOOP;
  FOR one IN SELECT p.value FROM jsonb_array_elements(pools) WITH ORDINALITY AS p(value, place) ORDER BY p.place DESC LOOP
    own := 'pool ' || (one ->> 'name');
    SELECT jsonb_object_agg(key, part)
    INTO shares
    FROM (
      SELECT key, sum(part) AS part
      FROM (
        SELECT 'nobody' AS key, 1 AS part WHERE fractions -> own = '{}'
        UNION ALL
        SELECT r.key, r.value::numeric FROM jsonb_each_text(fractions -> own) AS r WHERE r.key LIKE 'center %'
        UNION ALL
        SELECT t.key, r.value::numeric * t.value::numeric
        FROM jsonb_each_text(fractions -> own) AS r CROSS JOIN LATERAL jsonb_each_text(through_pools -> r.key) AS t
      ) AS each_part
      GROUP BY key
      HAVING sum(part) <> 0
    ) AS added;
    through_pools := through_pools || jsonb_build_object(own, shares);
  END LOOP;
  RETURN QUERY
  SELECT substr(p.key, 6), CASE s.key WHEN 'nobody' THEN NULL ELSE substr(s.key, 8) END, trim_scale(s.value::numeric)
  FROM jsonb_each(through_pools) AS p CROSS JOIN LATERAL jsonb_each_text(p.value) AS s;
END
$$;
--> statement-breakpoint
-- Every month that has a day of costs, a statement, or corrections to carry. `statement_no` is that of a closed month;
-- `rules` and `pools` are those in force in an open one.
CREATE VIEW "charged_months" AS
SELECT
  m.month,
  (m.month + interval '1 month')::date AS following,
  s.statement_no,
  v.version,
  v.rules,
  v.pools,
  v.named,
  v.weighs_tokens,
  m.month = (SELECT (max(c.month) + interval '1 month')::date FROM statements c WHERE c.state = 'closed') AS carries
FROM (
  SELECT date_trunc('month', d.day::timestamp)::date AS month FROM days d WHERE d.report = 'cost'
  UNION
  SELECT c.month FROM statements c WHERE c.state = 'closed'
  UNION
  SELECT (c.month + interval '1 month')::date FROM statements c WHERE c.state = 'closed'
) m
LEFT JOIN statements s ON s.month = m.month AND s.state = 'closed'
-- The limit also keeps Postgres from reading the document again for every line.
LEFT JOIN LATERAL (
  SELECT
    a.version,
    a.document -> 'rules' AS rules,
    a.document -> 'pools' AS pools,
    allocation_values(a.document -> 'rules') AS named,
    a.document -> 'pools' @> '[{"split": {"proportional": "tokens"}}]' AS weighs_tokens
  FROM allocation_versions a
  WHERE s.statement_no IS NULL AND a.from_day <= m.month
  ORDER BY a.from_day DESC, a.version DESC
  LIMIT 1
) v ON true;
--> statement-breakpoint
-- Each month is computed by itself, so that a filter on the month leaves the others out. Of an open month, few lines
-- differ in what the rules ask for: the rules are tried once for each such combination of values.
CREATE VIEW "allocated_costs" AS
SELECT
  to_char(m.month::timestamp, 'YYYY-MM') AS month,
  CASE WHEN m.statement_no IS NULL THEN 'open' ELSE 'closed' END AS state,
  a.cost_center,
  a.kind,
  a.rule,
  a.pool,
  a.version,
  a.connection_id,
  a.connection_name,
  a.organization_id,
  o.organization_name,
  a.day,
  a.workspace_id,
  CASE WHEN a.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(a.workspace_name, a.workspace_id) END
    AS workspace_name,
  a.description,
  a.cost_type,
  a.model,
  a.token_type,
  a.context_window,
  a.service_tier,
  a.inference_geo,
  a.currency,
  a.line_amount,
  a.share,
  a.line_amount * a.share AS amount,
  a.day_state
FROM charged_months m
CROSS JOIN LATERAL (
  (
    WITH
    cost AS MATERIALIZED (
      SELECT l.series_no, sum(l.amount) AS amount
      FROM counted_days d JOIN cost_lines l ON l.day_no = d.day_no
      WHERE m.statement_no IS NULL AND d.report = 'cost' AND d.day >= m.month AND d.day < m.following
      GROUP BY l.series_no
    ),
    usage_of_series AS MATERIALIZED (
      SELECT
        l.series_no,
        sum(l.uncached_input_tokens) AS uncached_input_tokens,
        sum(l.output_tokens) AS output_tokens,
        sum(l.cache_read_input_tokens) AS cache_read_input_tokens,
        sum(l.cache_creation_5m) AS cache_creation_5m,
        sum(l.cache_creation_1h) AS cache_creation_1h,
        jsonb_agg(l.extra_counts) FILTER (WHERE l.extra_counts IS NOT NULL) AS others
      FROM counted_days d JOIN usage_lines l ON l.day_no = d.day_no
      WHERE m.statement_no IS NULL AND m.weighs_tokens
        AND d.report = 'usage' AND d.day >= m.month AND d.day < m.following
      GROUP BY l.series_no
    ),
    tagged AS MATERIALIZED (
      SELECT w.connection_id, w.workspace_id, (
        SELECT jsonb_object_agg(t.key, t.value) FROM jsonb_each(w.tags) AS t WHERE m.named ? t.key
      )::text AS tags
      FROM current_workspaces w
    ),
    -- What the rules ask for, in the order of `names`, with '' for all values that no rule names. Tokens are of the cost
    -- type "tokens".
    names AS (
      SELECT '{connection,workspace,model,token_type,context_window,service_tier,inference_geo,cost_type,description,currency}'::text[] AS names
    ),
    items AS MATERIALIZED (
      SELECT
        false AS is_tokens,
        c.series_no,
        c.amount,
        s.currency,
        array[
          CASE WHEN m.named -> 'connection' ? s.connection_id::text THEN s.connection_id::text WHEN m.named ? 'connection' AND s.connection_id::text IS NOT NULL THEN '' END,
          CASE
            WHEN s.workspace_id IS NULL THEN CASE WHEN m.named ? 'workspace' THEN 'default' END
            -- No id is the word that stands for the default workspace.
            WHEN s.workspace_id <> 'default' AND m.named -> 'workspace' ? s.workspace_id THEN s.workspace_id
            WHEN m.named ? 'workspace' THEN ''
          END,
          CASE WHEN m.named -> 'model' ? s.model THEN s.model WHEN m.named ? 'model' AND s.model IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'token_type' ? s.token_type THEN s.token_type WHEN m.named ? 'token_type' AND s.token_type IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'context_window' ? s.context_window THEN s.context_window WHEN m.named ? 'context_window' AND s.context_window IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'service_tier' ? s.service_tier THEN s.service_tier WHEN m.named ? 'service_tier' AND s.service_tier IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'inference_geo' ? s.inference_geo THEN s.inference_geo WHEN m.named ? 'inference_geo' AND s.inference_geo IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'cost_type' ? s.cost_type THEN s.cost_type WHEN m.named ? 'cost_type' AND s.cost_type IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'description' ? s.description THEN s.description WHEN m.named ? 'description' AND s.description IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'currency' ? s.currency THEN s.currency WHEN m.named ? 'currency' AND s.currency IS NOT NULL THEN '' END,
          w.tags
        ] AS combination
      FROM cost c
      JOIN cost_series s ON s.series_no = c.series_no
      LEFT JOIN tagged w ON w.connection_id = s.connection_id AND w.workspace_id = s.workspace_id
      UNION ALL
      SELECT
        true,
        NULL,
        t.tokens,
        'USD',
        array[
          CASE WHEN m.named -> 'connection' ? s.connection_id::text THEN s.connection_id::text WHEN m.named ? 'connection' AND s.connection_id::text IS NOT NULL THEN '' END,
          CASE
            WHEN s.workspace_id IS NULL THEN CASE WHEN m.named ? 'workspace' THEN 'default' END
            -- No id is the word that stands for the default workspace.
            WHEN s.workspace_id <> 'default' AND m.named -> 'workspace' ? s.workspace_id THEN s.workspace_id
            WHEN m.named ? 'workspace' THEN ''
          END,
          CASE WHEN m.named -> 'model' ? s.model THEN s.model WHEN m.named ? 'model' AND s.model IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'token_type' ? t.token_type THEN t.token_type WHEN m.named ? 'token_type' AND t.token_type IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'context_window' ? s.context_window THEN s.context_window WHEN m.named ? 'context_window' AND s.context_window IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'service_tier' ? s.service_tier THEN s.service_tier WHEN m.named ? 'service_tier' AND s.service_tier IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'inference_geo' ? nullif(s.inference_geo, 'not_available') THEN nullif(s.inference_geo, 'not_available') WHEN m.named ? 'inference_geo' AND nullif(s.inference_geo, 'not_available') IS NOT NULL THEN '' END,
          CASE WHEN m.named -> 'cost_type' ? 'tokens' THEN 'tokens' WHEN m.named ? 'cost_type' AND 'tokens' IS NOT NULL THEN '' END,
          NULL,
          CASE WHEN m.named -> 'currency' ? 'USD' THEN 'USD' WHEN m.named ? 'currency' AND 'USD' IS NOT NULL THEN '' END,
          w.tags
        ]
      FROM usage_of_series u
      JOIN usage_series s ON s.series_no = u.series_no
      LEFT JOIN tagged w ON w.connection_id = s.connection_id AND w.workspace_id = s.workspace_id
      CROSS JOIN LATERAL (
        VALUES
          ('uncached_input_tokens', u.uncached_input_tokens),
          ('output_tokens', u.output_tokens),
          ('cache_read_input_tokens', u.cache_read_input_tokens),
          ('cache_creation.ephemeral_5m_input_tokens', u.cache_creation_5m),
          ('cache_creation.ephemeral_1h_input_tokens', u.cache_creation_1h)
        UNION ALL
        SELECT other.key, other.value::numeric
        FROM jsonb_array_elements(u.others) AS line CROSS JOIN LATERAL jsonb_each_text(line.value) AS other
        WHERE other.key LIKE '%tokens'
      ) AS t(token_type, tokens)
    ),
    combinations AS MATERIALIZED (
      SELECT
        i.combination,
        jsonb_object(n.names, i.combination[1:10]) || coalesce(i.combination[11], '{}')::jsonb AS about
      FROM (SELECT DISTINCT combination FROM items) i CROSS JOIN names n
    ),
    -- What the rules ask for, and '' for rules that ask for nothing.
    each_value AS MATERIALIZED (
      SELECT c.combination, a.dimension, c.about ->> a.dimension AS value
      FROM combinations c CROSS JOIN (SELECT '' UNION ALL SELECT jsonb_object_keys(m.named)) AS a(dimension)
    ),
    masks AS MATERIALIZED (
      SELECT v.dimension, v.value, allocation_mask(m.rules, v.dimension, v.value) AS mask
      FROM (SELECT DISTINCT dimension, value FROM each_value) v
    ),
    matched AS MATERIALIZED (
      SELECT
        f.combination,
        f.rule ->> 'name' AS rule,
        CASE
          WHEN jsonb_typeof(f.rule -> 'to') = 'string' THEN f.rule ->> 'to'
          ELSE c.about ->> ('tag.' || (f.rule -> 'to' ->> 'tag'))
        END AS center,
        f.rule -> 'to' ->> 'pool' AS pool
      FROM (
        SELECT v.combination, m.rules -> nullif(position(B'1' IN bit_and(k.mask)), 0) - 1 AS rule
        FROM each_value v
        JOIN masks k ON k.dimension = v.dimension AND coalesce('=' || k.value, '') = coalesce('=' || v.value, '')
        GROUP BY v.combination
      ) f
      JOIN combinations c ON c.combination = f.combination
    ),
    given AS MATERIALIZED (
      SELECT i.is_tokens, coalesce('center ' || t.center, 'pool ' || t.pool) AS recipient, sum(i.amount) AS amount
      FROM items i JOIN matched t ON t.combination = i.combination
      WHERE i.currency = 'USD' AND t.rule IS NOT NULL
      GROUP BY 1, 2
    ),
    shares AS MATERIALIZED (
      SELECT s.pool, s.center, s.fraction
      FROM allocation_shares(
        m.pools,
        (SELECT jsonb_object_agg(recipient, amount) FROM given WHERE NOT is_tokens),
        (SELECT jsonb_object_agg(recipient, amount) FROM given WHERE is_tokens)
      ) AS s
    ),
    series AS MATERIALIZED (
      SELECT i.series_no, t.rule, t.center, t.pool
      FROM items i JOIN matched t ON t.combination = i.combination
      WHERE NOT i.is_tokens
    )
    SELECT
      CASE WHEN t.pool IS NULL THEN t.center ELSE sh.center END AS cost_center,
      CASE WHEN t.pool IS NULL THEN 'direct' ELSE 'shared' END AS kind,
      t.rule,
      t.pool,
      m.version,
      d.connection_id,
      d.connection_name,
      d.organization_id,
      d.day,
      s.workspace_id,
      w.name AS workspace_name,
      s.description,
      s.cost_type,
      s.model,
      s.token_type,
      s.context_window,
      s.service_tier,
      s.inference_geo,
      s.currency,
      l.amount AS line_amount,
      CASE WHEN t.pool IS NULL THEN 1 ELSE sh.fraction END AS share,
      d.state AS day_state
    FROM counted_days d
    JOIN cost_lines l ON l.day_no = d.day_no
    -- Not by the index of lines: Postgres guesses too few series, and would look each of them up on each day.
    JOIN series t ON t.series_no = l.series_no + 0
    JOIN cost_series s ON s.series_no = t.series_no
    LEFT JOIN shares sh ON sh.pool = t.pool
    LEFT JOIN current_workspaces w ON w.connection_id = s.connection_id AND w.workspace_id = s.workspace_id
    WHERE m.statement_no IS NULL AND d.report = 'cost' AND d.day >= m.month AND d.day < m.following
  )
  UNION ALL
  (
    SELECT
      CASE WHEN s.pool IS NULL THEN s.center ELSE sh.center END,
      CASE WHEN s.rules_of <> s.statement_no THEN 'adjustment' WHEN s.pool IS NULL THEN 'direct' ELSE 'shared' END,
      r.rule,
      s.pool,
      st.version,
      s.connection_id,
      c.name,
      nullif(s.organization, s.connection_id::text),
      l.day,
      s.workspace_id,
      w.name,
      s.description,
      s.cost_type,
      s.model,
      s.token_type,
      s.context_window,
      s.service_tier,
      s.inference_geo,
      s.currency,
      l.amount,
      CASE WHEN s.pool IS NULL THEN 1 ELSE sh.fraction END,
      NULL
    FROM statement_lines l
    JOIN statement_series s ON s.statement_no = l.statement_no AND s.series_no = l.series_no
    JOIN statements st ON st.statement_no = s.rules_of
    LEFT JOIN (
      SELECT v.version, (r.place - 1)::integer AS place, r.rule ->> 'name' AS rule
      FROM allocation_versions v
      CROSS JOIN LATERAL jsonb_array_elements(v.document -> 'rules') WITH ORDINALITY AS r(rule, place)
    ) r ON r.version = st.version AND r.place = s.rule
    LEFT JOIN statement_shares sh ON sh.statement_no = s.rules_of AND sh.pool = s.pool
    LEFT JOIN statement_connections c ON c.statement_no = l.statement_no AND c.connection_id = s.connection_id
    LEFT JOIN statement_workspaces w
      ON w.statement_no = l.statement_no AND w.organization = s.organization AND w.workspace_id = s.workspace_id
    WHERE l.statement_no = m.statement_no
  )
  UNION ALL
  (
    -- As in db/allocation/corrections: what the lines of closed months are now, less what statements said so far.
    WITH
    changed AS MATERIALIZED (
      SELECT st.statement_no AS rules_of, d.organization, d.day, d.day_no
      FROM counted_days d
      JOIN days own ON own.day_no = d.day_no
      JOIN statements st ON st.state = 'closed' AND st.month = date_trunc('month', d.day::timestamp)::date
      LEFT JOIN LATERAL (
        SELECT sd.digest FROM statement_days sd JOIN statements known ON known.statement_no = sd.statement_no
        WHERE sd.organization = d.organization AND sd.day = d.day AND known.state = 'closed'
        ORDER BY sd.statement_no DESC
        LIMIT 1
      ) known ON true
      WHERE m.carries AND d.report = 'cost' AND known.digest IS DISTINCT FROM own.digest
    ),
    said AS (
      SELECT
        c.rules_of,
        c.organization,
        c.day,
        s.series_id,
        sum(l.amount) AS amount,
        min(s.statement_no) AS statement_no,
        (array_agg(s.series_no ORDER BY s.statement_no))[1] AS series_no
      FROM changed c
      JOIN statements st ON st.state = 'closed' AND st.statement_no >= c.rules_of
      JOIN statement_lines l ON l.statement_no = st.statement_no AND l.day = c.day
      JOIN statement_series s ON s.statement_no = l.statement_no AND s.series_no = l.series_no
        AND s.rules_of = c.rules_of AND s.organization = c.organization
      GROUP BY 1, 2, 3, 4
    ),
    present AS (
      SELECT c.rules_of, c.organization, c.day, l.series_no, s.series_id, l.amount
      FROM changed c JOIN cost_lines l ON l.day_no = c.day_no JOIN cost_series s ON s.series_no = l.series_no
    ),
    differing AS (
      SELECT
        coalesce(n.rules_of, a.rules_of) AS rules_of,
        coalesce(n.organization, a.organization) AS organization,
        coalesce(n.day, a.day) AS day,
        n.series_no AS present_no,
        a.statement_no AS said_by,
        a.series_no AS said_no,
        coalesce(n.amount, 0) - coalesce(a.amount, 0) AS amount
      FROM present n
      FULL JOIN said a ON a.rules_of = n.rules_of AND a.organization = n.organization AND a.day = n.day
        AND a.series_id = n.series_id
      WHERE coalesce(n.amount, 0) <> coalesce(a.amount, 0)
    ),
    -- A line that a statement has goes where it went. A line that came later goes where the closed rules and tags give it.
    corrections AS (
      SELECT d.rules_of, d.organization, d.day, d.amount, s.connection_id, s.workspace_id, s.description, s.cost_type,
        s.model, s.token_type, s.context_window, s.service_tier, s.inference_geo, s.currency, s.rule, s.center, s.pool
      FROM differing d JOIN statement_series s ON s.statement_no = d.said_by AND s.series_no = d.said_no
      UNION ALL
      SELECT d.rules_of, d.organization, d.day, d.amount, s.connection_id, s.workspace_id, s.description, s.cost_type,
        s.model, s.token_type, s.context_window, s.service_tier, s.inference_geo, s.currency, r.place,
        CASE
          WHEN jsonb_typeof(r.rule -> 'to') = 'string' THEN r.rule ->> 'to'
          ELSE r.about ->> ('tag.' || (r.rule -> 'to' ->> 'tag'))
        END,
        r.rule -> 'to' ->> 'pool'
      FROM differing d
      JOIN cost_series s ON s.series_no = d.present_no
      JOIN statements st ON st.statement_no = d.rules_of
      LEFT JOIN allocation_versions v ON v.version = st.version
      LEFT JOIN statement_workspaces w
        ON w.statement_no = d.rules_of AND w.organization = d.organization AND w.workspace_id = s.workspace_id
      CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
          'connection', s.connection_id,
          'workspace', CASE WHEN s.workspace_id IS NULL THEN 'default' ELSE nullif(s.workspace_id, 'default') END,
          'model', s.model,
          'token_type', s.token_type,
          'context_window', s.context_window,
          'service_tier', s.service_tier,
          'inference_geo', s.inference_geo,
          'cost_type', s.cost_type,
          'description', s.description,
          'currency', s.currency
        ) || coalesce(
          (SELECT jsonb_object_agg('tag.' || t.key, t.value) FROM jsonb_each(w.tags) AS t),
          '{}'
        ) AS about
      ) known
      CROSS JOIN LATERAL (
        SELECT nullif(position(B'1' IN bit_and(allocation_mask(v.document -> 'rules', a.dimension, known.about ->> a.dimension))), 0) - 1
          AS place
        FROM (SELECT '' UNION ALL SELECT jsonb_object_keys(allocation_values(v.document -> 'rules'))) AS a(dimension)
      ) found
      CROSS JOIN LATERAL (
        SELECT found.place, known.about, v.document -> 'rules' -> found.place AS rule
      ) r
      WHERE d.said_by IS NULL
    )
    SELECT
      CASE WHEN k.pool IS NULL THEN k.center ELSE sh.center END,
      'adjustment',
      r.rule,
      k.pool,
      st.version,
      k.connection_id,
      c.name,
      c.organization_id,
      k.day,
      k.workspace_id,
      w.name,
      k.description,
      k.cost_type,
      k.model,
      k.token_type,
      k.context_window,
      k.service_tier,
      k.inference_geo,
      k.currency,
      k.amount,
      CASE WHEN k.pool IS NULL THEN 1 ELSE sh.fraction END,
      NULL
    FROM corrections k
    JOIN statements st ON st.statement_no = k.rules_of
    LEFT JOIN (
      SELECT v.version, (r.place - 1)::integer AS place, r.rule ->> 'name' AS rule
      FROM allocation_versions v
      CROSS JOIN LATERAL jsonb_array_elements(v.document -> 'rules') WITH ORDINALITY AS r(rule, place)
    ) r ON r.version = st.version AND r.place = k.rule
    LEFT JOIN statement_shares sh ON sh.statement_no = k.rules_of AND sh.pool = k.pool
    LEFT JOIN counting_connections c ON c.id = k.connection_id
    LEFT JOIN current_workspaces w ON w.connection_id = k.connection_id AND w.workspace_id = k.workspace_id
    WHERE m.carries
  )
) a
LEFT JOIN connections o ON o.id = a.connection_id AND a.organization_id IS NOT NULL;
--> statement-breakpoint
COMMENT ON VIEW "allocated_costs" IS 'Who each line of cost belongs to, and why: a row per line and cost center. Over a month, amount adds up to the bill of the month and, as kind adjustment, to the corrections of closed months. A null cost_center is nobody.';
--> statement-breakpoint
-- Which migrations ran, for roles that may use only this schema: Drizzle records them in a schema of its own.
CREATE VIEW "applied_migrations" AS SELECT created_at AS made_at_ms FROM drizzle.__drizzle_migrations;
--> statement-breakpoint
COMMENT ON VIEW "applied_migrations" IS 'The migrations that ran, by when each was made, in milliseconds since 1970. For the service itself.';
