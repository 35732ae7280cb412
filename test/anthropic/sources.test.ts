import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** What an image holds. The embedded stack, the simulator and the benchmarks are not in it. */
const ROOMS = [
  'activities',
  'anthropic',
  'api',
  'commands',
  'config',
  'db',
  'domain',
  'forecasting',
  'notify',
  'pages',
  'runtime',
  'worker',
  'workflows',
];

/** Every file that can open a connection or a port, and by what. Nothing else of the product can. */
const NETWORKED: Readonly<Record<string, readonly string[]>> = {
  // To Anthropic.
  'anthropic/transport.ts': ['undici'],
  // Listens.
  'api/http/server.ts': ['node:http'],
  // Listens for an instant, to see whether one can at HOST.
  'config/host.ts': ['node:net'],
  // To Postgres, at DATABASE_URL.
  'db/core/servers.ts': ['postgres'],
  // Only the class of its errors is taken from it.
  'db/core/failures.ts': ['postgres'],
  // Only the check of a certificate is taken from it.
  'db/core/tls.ts': ['node:tls'],
  // To Temporal, at TEMPORAL_ADDRESS.
  'api/temporal.ts': ['@temporalio/client'],
  'api/schedules.ts': ['@temporalio/client'],
  // To webhooks, and the look-ups of their hosts.
  'notify/http/guard.ts': ['node:dns', 'undici'],
  'notify/http/route.ts': ['undici'],
  // To the mail server, at METERLINE_SMTP_URL.
  'notify/mail/smtp.ts': ['nodemailer/lib/smtp-connection'],
  // Only what writes a mail is taken from it.
  'notify/mail/compose.ts': ['nodemailer/lib/mail-composer'],
  // Starts a thread, whose program is thread.ts.
  'pages/page-reader.ts': ['node:worker_threads'],
  // Only the port to the thread that started it.
  'pages/thread.ts': ['node:worker_threads'],
  // Starts threads, whose program is thread.ts.
  'forecasting/forecasting.ts': ['node:worker_threads'],
  // Only the port to the thread that started it.
  'forecasting/thread.ts': ['node:worker_threads'],
  // Starts threads, whose program is anomalies-thread.ts.
  'worker/anomalies.ts': ['node:worker_threads'],
  // Only the port to the thread that started it.
  'worker/anomalies-thread.ts': ['node:worker_threads'],
  // Listens, where METERLINE_WORKER_HEALTH_PORT is set.
  'worker/health.ts': ['node:http'],
  // To Temporal, at TEMPORAL_ADDRESS.
  'worker/connect.ts': ['@temporalio/worker'],
  'worker/main.ts': ['@temporalio/client', '@temporalio/worker'],
  'worker/worker.ts': ['@temporalio/worker'],
  'worker/schedules.ts': ['@temporalio/client'],
};

/** Packages and parts of Node that open nothing by themselves. One that is new has to be looked at first. */
const QUIET = [
  ...[
    'node:buffer',
    'node:crypto',
    'node:fs',
    'node:fs/promises',
    'node:path',
    'node:stream',
    'node:timers/promises',
    'node:url',
    'node:util',
    'node:v8',
    'node:zlib',
  ],
  ...['@temporalio/activity', '@temporalio/common', '@temporalio/envconfig', '@temporalio/workflow'],
  ...['drizzle-orm', 'express', 'express-rate-limit', 'helmet', 'pino', 'pino-http', 'swagger-ui-express'],
  ...['zod', 'zod-openapi'],
];
const GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'eval', 'Function'];

/** The packages that a file imports for more than their types, dynamically too, and the globals that could do as much. */
function reachOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.ES2023, true);
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    const isTypeOnly = ts.isImportDeclaration(node) && node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    const from = ts.isImportDeclaration(node) || ts.isExportDeclaration(node) ? node.moduleSpecifier : undefined;
    if (from !== undefined && ts.isStringLiteral(from) && !isTypeOnly) found.add(from.text);
    if (ts.isCallExpression(node) && /^(?:import|require)$/.test(node.expression.getText())) {
      const [name] = node.arguments;
      found.add(name !== undefined && ts.isStringLiteral(name) ? name.text : 'an import of something unknown');
    }
    if (ts.isIdentifier(node) && GLOBALS.includes(node.text)) found.add(node.text);
    if (ts.isPropertyAccessExpression(node) && /^(getBuiltinModule|binding|dlopen)$/.test(node.name.text)) {
      found.add(node.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...found].filter((name) => !name.startsWith('.')).sort();
}

/** @scope/name/part is @scope/name, and name/part is name. */
function packageOf(name: string): string {
  return name.startsWith('node:') ? name : name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

it('nothing of the product but these files can open a connection or a port', () => {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((file) => /\.[cm]?[jt]s$/.test(file))
      .map((file) => `${room}/${file}`),
  );
  expect(files.length).toBeGreaterThan(70);
  const networked = files.map((file): [string, string[]] => [
    file,
    reachOf(file).filter((name) => !QUIET.includes(packageOf(name))),
  ]);
  expect(Object.fromEntries(networked.filter(([, by]) => by.length > 0))).toEqual(NETWORKED);
  const goOut = networked.filter(([, by]) => by.some((name) => /^(?:undici|nodemailer|node:dns)/.test(name)));
  expect([...new Set(goOut.map(([file]) => file.split('/', 1)[0]))]).toEqual(['anthropic', 'notify']);
});
