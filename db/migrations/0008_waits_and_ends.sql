-- What a sync waits for, why a key was destroyed, and what makes an event of a retried activity one event.
SET LOCAL lock_timeout = '20s';
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "kept_by" text;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "end_reason" text;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "overtaken_by" uuid;--> statement-breakpoint
ALTER TABLE "syncs" ADD COLUMN "waiting" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "events_kept_once" ON "events" USING btree ("connection_id","kept_by") WHERE "events"."kept_by" is not null;--> statement-breakpoint
UPDATE "keys" SET "end_reason" = CASE
  WHEN "activated_at" IS NOT NULL THEN 'replaced' WHEN "requested_at" IS NOT NULL THEN 'overtaken' ELSE 'unused'
END WHERE "state" = 'destroyed';--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_why_ended" CHECK (("keys"."end_reason" is not null) = (state = 'destroyed'));--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_end_reasons" CHECK (end_reason in ('replaced', 'overtaken', 'unused', 'discarded', 'connection_ended'));--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_overtaken" CHECK (("keys"."overtaken_by" is null) or (end_reason = 'overtaken'));