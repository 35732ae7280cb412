CREATE SEQUENCE "public"."key_steps" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "answered_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "rejected_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "requested_no" bigint;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "activated_no" bigint;--> statement-breakpoint
ALTER TABLE "keys" ADD COLUMN "activated_sync" integer;--> statement-breakpoint
UPDATE "keys" k SET "requested_no" = n.no FROM (SELECT "connection_id", "id", nextval('key_steps') AS no FROM (SELECT * FROM "keys" WHERE "requested_at" IS NOT NULL ORDER BY "requested_at") o) n
WHERE k."connection_id" = n."connection_id" AND k."id" = n."id";--> statement-breakpoint
UPDATE "keys" k SET "activated_no" = n.no, "activated_sync" = n."last_sync" FROM (SELECT o.*, nextval('key_steps') AS no FROM (SELECT k."connection_id", k."id", c."last_sync" FROM "keys" k JOIN "connections" c ON c."id" = k."connection_id" WHERE k."activated_at" IS NOT NULL ORDER BY k."activated_at") o) n
WHERE k."connection_id" = n."connection_id" AND k."id" = n."id";--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_answered" CHECK ("connections"."answered_at" is null or "connections"."failure" is not null);--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_rejected" CHECK ("connections"."rejected_at" is null or "connections"."answered_at" is not null);--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_requested" CHECK (("keys"."requested_at" is null) = ("keys"."requested_no" is null));--> statement-breakpoint
ALTER TABLE "keys" ADD CONSTRAINT "keys_activated" CHECK (num_nulls("keys"."activated_at", "keys"."activated_no", "keys"."activated_sync") in (0, 3));