-- The interface for SQL, BI tools and Grafana: one readable row per line. Columns are only ever added.
CREATE VIEW "costs" AS
SELECT
  l.connection_id,
  c.organization_id,
  c.organization_name,
  l.day,
  s.workspace_id,
  CASE WHEN s.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(w.name, s.workspace_id) END AS workspace_name,
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
  d.reconciled AS day_reconciled
FROM cost_lines l
JOIN cost_series s ON s.connection_id = l.connection_id AND s.series_no = l.series_no
JOIN connections c ON c.id = l.connection_id
JOIN days d ON d.connection_id = l.connection_id AND d.report = 'cost' AND d.day = l.day
LEFT JOIN workspaces w ON w.connection_id = l.connection_id AND w.id = s.workspace_id;
--> statement-breakpoint
COMMENT ON VIEW "costs" IS 'Cost per line and UTC day. amount is in major units of currency (USD today), exact. A null workspace_id is the default workspace.';
--> statement-breakpoint
CREATE VIEW "usage" AS
SELECT
  l.connection_id,
  c.organization_id,
  c.organization_name,
  l.day,
  s.workspace_id,
  CASE WHEN s.workspace_id IS NULL THEN 'Default workspace' ELSE coalesce(w.name, s.workspace_id) END AS workspace_name,
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
  d.reconciled AS day_reconciled
FROM usage_lines l
JOIN usage_series s ON s.connection_id = l.connection_id AND s.series_no = l.series_no
JOIN connections c ON c.id = l.connection_id
JOIN days d ON d.connection_id = l.connection_id AND d.report = 'usage' AND d.day = l.day
LEFT JOIN workspaces w ON w.connection_id = l.connection_id AND w.id = s.workspace_id;
--> statement-breakpoint
COMMENT ON VIEW "usage" IS 'Tokens and requests per line and UTC day. A null workspace_id is the default workspace.';
