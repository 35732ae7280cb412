-- In the order in which the service locks them, and not for long: a worker of the release before may run meanwhile.
SET LOCAL lock_timeout = '20s';--> statement-breakpoint
LOCK TABLE "connections", "days", "syncs" IN ACCESS EXCLUSIVE MODE;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "purged_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "days" ADD COLUMN "written_by" integer;--> statement-breakpoint
ALTER TABLE "syncs" ADD COLUMN "read_days" datemultirange;--> statement-breakpoint
ALTER TABLE "syncs" ADD COLUMN "changed_days" datemultirange;--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_purged" CHECK ("connections"."purged_at" is null or "connections"."ended_at" is not null);--> statement-breakpoint
UPDATE "connections" SET "purged_at" = "purge"."at" FROM (
  SELECT "connection_id", min("at") AS "at" FROM "events" WHERE "type" = 'purged' GROUP BY "connection_id"
) "purge" WHERE "purge"."connection_id" = "connections"."id" AND "connections"."ended_at" IS NOT NULL;
