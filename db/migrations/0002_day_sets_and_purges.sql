ALTER TABLE "syncs" ALTER COLUMN "days_read" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "syncs" ALTER COLUMN "days_read" SET DATA TYPE datemultirange USING '{}';--> statement-breakpoint
ALTER TABLE "syncs" ALTER COLUMN "days_read" SET DEFAULT '{}';--> statement-breakpoint
ALTER TABLE "syncs" ALTER COLUMN "days_changed" DROP DEFAULT;--> statement-breakpoint
ALTER TABLE "syncs" ALTER COLUMN "days_changed" SET DATA TYPE datemultirange USING '{}';--> statement-breakpoint
ALTER TABLE "syncs" ALTER COLUMN "days_changed" SET DEFAULT '{}';--> statement-breakpoint
UPDATE "syncs" SET "days_read" = "known"."days" FROM (
  SELECT "connection_id", "sync", range_agg(daterange("day", "day", '[]')) AS "days" FROM "days" GROUP BY "connection_id", "sync"
) "known" WHERE "known"."connection_id" = "syncs"."connection_id" AND "known"."sync" = "syncs"."n";--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "purged_at" timestamp with time zone;--> statement-breakpoint
UPDATE "connections" SET "purged_at" = "purge"."at" FROM (
  SELECT "connection_id", min("at") AS "at" FROM "events" WHERE "type" = 'purged' GROUP BY "connection_id"
) "purge" WHERE "purge"."connection_id" = "connections"."id" AND "connections"."ended_at" IS NOT NULL;--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_purged" CHECK ("connections"."purged_at" is null or "connections"."ended_at" is not null);
