/**
 * npm run check:contract: checks the API of a running demo against the OpenAPI document. Generates two clients, compiles
 * them and calls every GET; then Schemathesis sends requests that the document allows, and others. Needs npm, and
 * Python 3.10 or newer with venv and pip. Works in a temporary directory.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { npm, readText, root, run, seconds, statusOf, withoutProxyOnLoopback } from './setup.mjs';

const FROM_NPM = ['openapi-typescript@7.13.0', 'openapi-fetch@0.17.0'];
const FROM_PYPI = ['schemathesis==4.32.5', 'openapi-python-client==0.29.1'];
const SEED = '20261129';
const EXAMPLES = '50';
const DEMO_MS = 300_000;
/** Settings of another Meterline. */
const OTHERS = /^(?:METERLINE_|TEMPORAL_|DATABASE_URL$|PG|HOST$|PORT$|ANTHROPIC_BASE_URL$)/i;

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'meterline-contract-')));
const [data, python] = [join(directory, 'data'), join(directory, 'python')];
const env = withoutProxyOnLoopback({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !OTHERS.test(name))),
  METERLINE_DATA_DIR: data,
  PATH: `${join(python, 'bin')}:${process.env.PATH}`,
});
let demo = null;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    void cleanUp().then(() => process.exit(statusOf(signal)));
  });
}
try {
  await check();
  process.stdout.write('The document and the API agree, and the generated clients work.\n');
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function check() {
  mkdirSync(join(directory, 'client'));
  await step('npm packages', [
    ...npm,
    'install',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--prefix',
    directory,
    ...FROM_NPM,
  ]);
  await step('Python', ['python3', '-m', 'venv', python]);
  await step('Python packages', ['pip', 'install', '--quiet', '--disable-pip-version-check', ...FROM_PYPI]);
  const api = await startDemo();
  const document = await (await fetch(`${api.URL}/openapi.json`)).json();
  writeFileSync(join(directory, 'openapi.json'), JSON.stringify(document));
  const reading = Object.entries(document.paths)
    .filter(([, methods]) => methods.get !== undefined)
    .map(([path, methods]) => ({ path, ...methods.get }));
  await checkTypeScript(document, reading, api);
  await checkPython(reading, api);
  // The run with the demo's connection comes first, because the other one ends the connection.
  await schemathesis('connection', api, ['--phases', 'examples,coverage,fuzzing']);
  // Without ignored_auth: the first run used up the limit of failed authentications.
  await schemathesis('key', api, ['--phases', 'fuzzing,stateful', '--exclude-checks', 'ignored_auth']);
}

/** Starts the demo, waits until its organization is read, and returns an environment with its address and credentials. */
async function startDemo() {
  const startedAt = Date.now();
  process.stderr.write('Demo … ');
  let said = '';
  demo = spawn(process.execPath, [join('scripts', 'run.mjs'), join('local', 'demo.ts')], { cwd: root, env });
  for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (chunk) => (said += chunk));
  while (!said.includes('Ctrl-C')) {
    if (demo.exitCode !== null || Date.now() - startedAt > DEMO_MS) throw new Error(`failed\n${said}`);
    await delay(200);
  }
  process.stderr.write(`${seconds(startedAt)}\n`);
  const { processes } = JSON.parse(readText(join(data, 'run.json')));
  const TOKEN = readFileSync(join(data, 'api-token'), 'utf8').trim();
  const URL = processes.find(({ role }) => role === 'api').address;
  const list = await fetch(`${URL}/v1/connections`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const [connection] = (await list.json()).data;
  const [, key] = /"admin_api_key":"([^"]+)"/.exec(readText(join(data, 'logs', 'simulator.log')));
  return { ...env, URL, TOKEN, CONNECTION: connection.id, ADMIN_API_KEY: key };
}

async function checkTypeScript(document, reading, api) {
  const here = join(directory, 'client');
  const [typescript, tsc] = ['openapi-typescript/bin/cli.js', 'typescript/bin/tsc'].map((file) =>
    join('node_modules', file),
  );
  await step('TypeScript client', [
    process.execPath,
    join(directory, typescript),
    join(directory, 'openapi.json'),
    '-o',
    join(here, 'api.ts'),
  ]);
  writeFileSync(join(here, 'main.ts'), callsOf(document));
  writeFileSync(join(here, 'package.json'), '{"type":"module"}');
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noUnusedLocals: true },
    ...{ target: 'es2022', lib: ['es2022', 'dom'], module: 'nodenext', outDir: 'out', types: [] },
  };
  writeFileSync(join(here, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  await step('It compiles', [process.execPath, join(root, tsc), '--project', here]);
  await step(`It calls ${reading.length} GETs`, [process.execPath, join(here, 'out', 'main.js')], api);
}

/**
 * A program that calls each GET twice: with what its query requires, and with the document's examples. For the other operations it only
 * has functions with the required fields, which the compiler checks.
 */
function callsOf({ paths, components }) {
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { operationId, parameters = [], requestBody }]) => {
      const [ids, query] = ['path', 'query'].map((place) => parameters.filter((one) => one.in === place));
      const given = ids.length === 0 ? [] : [`path: { ${ids.map(({ name }) => `${name}: CONNECTION`).join(', ')} }`];
      const call = (params, body = '') =>
        `client.${method.toUpperCase()}('${path}', { ${params.length === 0 ? '' : `params: { ${params} }, `}${body} })`;
      if (method === 'get') {
        const needed = query.filter(({ required }) => required === true);
        const least = needed.length === 0 ? given : [...given, `query: { ${needed.flatMap(exampleOf)} }`];
        const more = query.length === 0 ? [] : [[...given, `query: { ${query.flatMap(exampleOf)} }`]];
        return [least, ...more].map((params) => `told('${path}', await ${call(params)});`);
      }
      const schema = requestBody?.content['application/json'].schema.$ref.split('/').at(-1);
      const { required = [], properties = {} } = components.schemas[schema] ?? {};
      const fields = required.flatMap((name) => exampleOf({ name, schema: properties[name] }));
      const body = schema === undefined ? '' : `body: { ${fields} }`;
      return [`export const ${operationId} = () => ${call(given, body)};`];
    }),
  );
  return `import createClient from 'openapi-fetch';
import type { paths } from './api.js';
declare const process: { env: Record<string, string | undefined> };
const { URL: baseUrl = '', TOKEN = '', CONNECTION = '' } = process.env;
const client = createClient<paths, 'application/json'>({ baseUrl, headers: { authorization: \`Bearer \${TOKEN}\` } });
function told(path: string, { data, response }: { data?: object; response: Response }): void {
  if (data === undefined) throw new Error(\`\${path}: \${response.status}\`);
}
${calls.join('\n')}
`;
}

function exampleOf({ name, schema: { examples = [], enum: known = [], default: fallback } }) {
  const value = [...examples, ...known, fallback].find((one) => one !== undefined);
  return value === undefined ? [] : [`${name}: ${JSON.stringify(value)}`];
}

async function checkPython(reading, api) {
  const client = join(directory, 'python-client');
  await step('Python client', [
    'openapi-python-client',
    'generate',
    '--fail-on-warning',
    '--path',
    join(directory, 'openapi.json'),
    '--output-path',
    client,
  ]);
  cpSync(join(root, 'scripts', 'contract', 'every_get.py'), join(client, 'every_get.py'));
  await step('It compiles', ['python', '-m', 'compileall', '-q', client]);
  await step(
    `It calls ${reading.length} GETs`,
    ['python', join(client, 'every_get.py'), ...reading.map(({ operationId }) => operationId)],
    api,
  );
}

async function schemathesis(name, api, options) {
  const settings = ['schemathesis', name].map((file) => readText(join(root, 'scripts', 'contract', `${file}.toml`)));
  const file = join(directory, `${name}.toml`);
  writeFileSync(file, settings.join(''));
  const command = ['st', '--no-color', '--config-file', file, 'run', `${api.URL}/openapi.json`];
  await step(`Schemathesis, ${name}`, [...command, '--seed', SEED, '-n', EXAMPLES, ...options], api);
}

/** Runs a command and prints one line with its time. Fails with its output. */
async function step(title, command, own = env) {
  const startedAt = Date.now();
  process.stderr.write(`${title} … `);
  const { code, output } = await run(command, { env: own, cwd: directory });
  if (code !== 0) throw new Error(`failed (exit status ${code})\n${output}`);
  process.stderr.write(`${seconds(startedAt)}\n`);
}

async function cleanUp() {
  if (demo !== null && demo.exitCode === null) {
    demo.kill('SIGTERM');
    await new Promise((resolve) => demo.once('exit', resolve));
  }
  rmSync(directory, { recursive: true, force: true });
}
