import { Router } from 'express';
import helmet from 'helmet';
import { VERSION } from '../../domain/version.ts';
import { escaped, hashOf } from './html.ts';
import { onlyMethods } from '../http/problems.ts';

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5a6478; --line: #dde1ea; --paper: #fff; --back: #f5f6f9; --accent: #1f5fbf; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9f0; --soft: #9aa4b8; --line: #2e3646; --paper: #1a202c; --back: #12161f; --accent: #7fb0ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 2rem 1.5rem; }
h1 { margin: 0; font-size: 2.25rem; letter-spacing: -0.02em; }
h1 small { font-size: 0.9rem; font-weight: 400; color: var(--soft); letter-spacing: 0; }
h2 { margin: 1.75rem 0 0.25rem; font-size: 1.1rem; }
p { margin: 0.25rem 0; }
ul { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0 0; padding: 0; list-style: none; }
li a { display: block; height: 100%; padding: 0.9rem 1.1rem; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--paper); color: inherit; text-decoration: none; }
li a:hover, li a:focus-visible { border-color: var(--accent); }
li strong { display: block; color: var(--accent); }
li span { color: var(--soft); font-size: 0.9rem; }
pre { margin: 0.5rem 0; padding: 0.9rem 1.1rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 0.6rem; background: var(--paper); }
code { font: 0.875rem/1.5 ui-monospace, monospace; }
`;

const ICON =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Cpath fill=%22%231f5fbf%22 d=%22M1 9h3v6H1zm5-4h3v10H6zm5-4h3v14h-3z%22/%3E%3C/svg%3E';

const CONNECTING = `read -rs KEY; printf '{"name":"Acme","admin_api_key":"%s"}' "$KEY" |
  api "$METERLINE/v1/connections" -H 'content-type: application/json' --data-binary @-; unset KEY`;

const security = helmet.contentSecurityPolicy({
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    styleSrc: [hashOf(STYLE)],
    imgSrc: ['data:'],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
});

/** `/`, a page that says what this is and where to go. It needs no token, so it shows nothing of any connection. */
export function homeRoutes(temporalUiUrl: string | null): Router {
  const router = Router({ strict: true });
  const page = Buffer.from(pageOf(temporalUiUrl));
  router.get('/', security, (_request, response) => {
    response.type('html').send(page);
  });
  router.all('/', onlyMethods(['get']));
  return router;
}

function pageOf(temporalUiUrl: string | null): string {
  const places = [
    ['/docs', 'API reference', 'Every route, to read and try, and every problem code.'],
    ['/openapi.json', 'OpenAPI document', 'The same for programs and client generators.'],
    ['/healthz', 'Health', 'Says whether this process answers.'],
    ['/readyz', 'Readiness', 'Says whether Postgres and Temporal are available.'],
    ...(temporalUiUrl === null ? [] : [[temporalUiUrl, 'Temporal UI', 'Each connection and each sync, as workflows.']]),
  ];
  const links = places.map(
    ([href = '', name = '', what = '']) =>
      `<li><a href="${escaped(href)}"><strong>${escaped(name)}</strong> <span>${escaped(what)}</span></a></li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Meterline</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Meterline <small>${escaped(VERSION)}</small></h1>
<p>Keeps an Anthropic organization's daily cost and usage in your own Postgres, exact to the last decimal. This is its HTTP API.</p>
<ul>
${links.join('\n')}
</ul>
<h2>Your token</h2>
<p>Every route under <code>/v1</code> needs one. <code>npm start</code> prints the first admin token once and keeps it in
<code>.meterline/api-token</code>; in production, <code>METERLINE_API_TOKEN</code> sets it.
<code>npm run tokens</code> creates more.</p>
<h2>Connect an organization</h2>
<p><code>npm start</code> prints three lines that define <code>METERLINE</code> and <code>api</code>. Paste them into a terminal, then these lines,
then the Admin API key, and press Enter:</p>
<pre><code>${escaped(CONNECTING)}</code></pre>
<p>Then ask for its costs:</p>
<pre><code>${escaped('api "$METERLINE/v1/costs?group_by=workspace,model"')}</code></pre>
</main>
</body>
</html>
`;
}
