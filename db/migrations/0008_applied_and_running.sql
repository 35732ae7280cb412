SET LOCAL lock_timeout = '20s';--> statement-breakpoint
CREATE INDEX "syncs_running" ON "syncs" USING btree ("connection_id") WHERE state = 'running';--> statement-breakpoint
-- Which migrations ran, for roles that see no schema but this one. Drizzle keeps them in a schema of its own.
CREATE VIEW "applied_migrations" AS SELECT created_at AS made_at_ms FROM drizzle.__drizzle_migrations;--> statement-breakpoint
COMMENT ON VIEW "applied_migrations" IS 'The migrations that ran, by when each was made, in milliseconds since 1970. For the service itself.';
