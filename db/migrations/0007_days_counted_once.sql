SET LOCAL lock_timeout = '20s';
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
CREATE OR REPLACE VIEW "costs" AS
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
CREATE OR REPLACE VIEW "usage" AS
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
