import { Card } from '../../parts/card.tsx';

const READS = [
  { path: '/v1/organizations/me', use: 'whether the key works, and whose it is' },
  { path: '/v1/organizations/workspaces', use: 'the names and tags of workspaces' },
  { path: '/v1/organizations/cost_report', use: 'cost by day, workspace, model and more' },
  { path: '/v1/organizations/usage_report/messages', use: 'tokens by day, workspace, model and more' },
] as const;

/** What Meterline does with an Admin key, and what it cannot do. */
export function WhatWeDo() {
  return (
    <Card class="what-we-do stack" title="What Meterline does with the key">
      <p>
        It sends <code>GET</code> to one host, and to these four paths alone:
      </p>
      <ul class="plain-list">
        {READS.map(({ path, use }) => (
          <li key={path}>
            <code>{path}</code>
            <div class="muted small">{use}</div>
          </li>
        ))}
      </ul>
      <p class="muted">
        An Admin key has no scopes: it could also invite members or change workspaces. Meterline cannot. It has no code
        for another method or another path, and it never reads prompts, completions, files, members or API keys.
      </p>
      <p class="muted">
        The key is encrypted before it is stored, and never shown again: only its last four characters are.
      </p>
      <p class="muted">
        To do the same without this page, send <code>POST /v1/connections</code>:{' '}
        <a href="/docs/#/Connections/connectOrganization">the API reference</a>. The manual is in Meterline’s folder,{' '}
        <code>docs/connect-anthropic.md</code>; how keys are kept is in <code>docs/security.md</code>.
      </p>
    </Card>
  );
}
