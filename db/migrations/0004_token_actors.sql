SET LOCAL lock_timeout = '20s';--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "made_with" uuid;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "created_by" text;--> statement-breakpoint
ALTER TABLE "tokens" ADD COLUMN "revoked_by" text;--> statement-breakpoint
-- Nothing in the release before makes tokens, so there is none but by hand.
UPDATE "tokens" SET "created_by" = 'unknown', "revoked_by" = CASE WHEN "revoked_at" IS NOT NULL THEN 'unknown' END;--> statement-breakpoint
ALTER TABLE "tokens" ALTER COLUMN "created_by" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_made_with_tokens_id_fk" FOREIGN KEY ("made_with") REFERENCES "public"."tokens"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "tokens_one_by_name" ON "tokens" USING btree ("name") WHERE "tokens"."revoked_at" is null;--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_expiry" CHECK ("tokens"."expires_at" > "tokens"."created_at");--> statement-breakpoint
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_revoked" CHECK (("tokens"."revoked_at" is null) = ("tokens"."revoked_by" is null));
