import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { openApiDocument } from '../../api/http/openapi.ts';
import { problem } from '../../api/http/schemas.ts';
import { loadConfig } from '../../config/config.ts';
import { FAILURE_CODES, FAILURES } from '../../domain/failures.ts';
import { COST_DIMENSIONS } from '../../domain/spend/query.ts';
import { TOKEN_FILE } from '../../local/stack/environment.ts';
import { startApi, type Api } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

type Node = Record<string, unknown>;

interface Document {
  readonly openapi: string;
  readonly info: Node;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly tags: Node[];
  readonly components: {
    readonly schemas: Record<string, Node>;
    readonly responses: Record<string, Node>;
    readonly securitySchemes: Record<string, Node>;
  };
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: Node[];
  readonly responses: Node;
}

interface Refusal {
  readonly description: string;
  readonly content: { readonly 'application/problem+json': { readonly example: unknown } };
}

const OPERATIONS = [
  ...[
    'addKey',
    'beginSession',
    'changeBudget',
    'changeChannel',
    'changeReport',
    'closeMonth',
    'connectOrganization',
    'createBudget',
    'createChannel',
    'createReport',
    'createToken',
    'deleteBudget',
    'deleteChannel',
    'deleteReport',
    'discardKey',
    'disconnectOrganization',
  ],
  ...[
    'endSession',
    'exportFocus',
    'extendHistory',
    'getAllocation',
    'getAnomaly',
    'getAnomalySettings',
    'getBudget',
    'getChannel',
    'getChargeback',
    'getConnection',
    'getCostChanges',
    'getCosts',
    'getCoverage',
    'getDayStates',
    'getFocusMetadata',
    'getForecast',
  ],
  ...[
    'getHealth',
    'getJournal',
    'getReadiness',
    'getReport',
    'getSession',
    'getUnitCosts',
    'getUsage',
    'giveAnomalyFeedback',
    'listAllocationVersions',
    'listAnomalies',
    'listBudgets',
    'listChannels',
    'listChargebackLines',
    'listChargebackMonths',
  ],
  ...[
    'listConnections',
    'listDeliveries',
    'listDeploymentEvents',
    'listEvents',
    'listKeys',
    'listNotices',
    'listReports',
    'listRestatements',
    'listSessions',
    'listSyncs',
    'listTokens',
  ],
  ...[
    'listWorkspaces',
    'pauseConnection',
    'previewAllocation',
    'putAllocation',
    'renameConnection',
    'reopenMonth',
    'replayBudget',
    'resendDelivery',
    'resumeConnection',
    'revokeSession',
    'revokeToken',
  ],
  ...['rotateKey', 'runReport', 'setAnomalySettings', 'syncConnection', 'testChannel'],
];

async function readDocument(): Promise<Document> {
  return JSON.parse((await api.get('/openapi.json', null)).text) as Document;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

function childrenOf(value: unknown): unknown[] {
  return isNode(value) ? Object.values(value) : [];
}

function* nodesOf(value: unknown): Generator<Node> {
  if (!isNode(value)) return;
  yield value;
  for (const child of childrenOf(value)) yield* nodesOf(child);
}

function at(document: unknown, pointer: string): unknown {
  return pointer
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((node, name) => (isNode(node) ? node[name] : undefined), document);
}

describe('/openapi.json', () => {
  it('is OpenAPI 3.1, and every reference in it resolves', async () => {
    const document = await readDocument();
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'Meterline', version: '1' });
    expect(document.components.securitySchemes['token']).toMatchObject({ type: 'http', scheme: 'bearer' });
    expect(document.components.securitySchemes['session']).toMatchObject({ in: 'cookie', name: 'meterline-8080' });
    const references = [...nodesOf(document)].flatMap(({ $ref: reference }) =>
      typeof reference === 'string' ? [reference] : [],
    );
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) expect(at(document, reference)).toBeDefined();
  });

  it('describes every route with its own operation name, path parameters, replies and problems', async () => {
    const { paths } = await readDocument();
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
    );
    expect(described.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
      endpoints.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`).sort(),
    );
    expect(new Set(described.map(({ operation }) => operation.operationId)).size).toBe(described.length);
    for (const { path, operation } of described) {
      const isOfOne = operation.parameters?.some((parameter) => parameter['in'] === 'path') === true;
      expect(isOfOne).toBe(path.includes('{'));
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
      if (path.startsWith('/v1')) expect(statuses).toEqual(expect.arrayContaining(['400', '401', '403', '429']));
    }
  });

  it('describes the limits that the schemas check in parameters and bodies', async () => {
    const { paths, components } = await readDocument();
    const query = paths['/v1/costs']?.['get']?.parameters ?? [];
    const filters = ['connection_id', ...COST_DIMENSIONS.filter((dimension) => dimension !== 'connection')];
    const named = [...filters, ...filters.map((filter) => `not.${filter}`)];
    expect(query.map((parameter) => parameter['name']).sort()).toEqual(
      ['after', 'compare', 'format', 'from', 'group_by', 'limit', 'order', 'tags', 'to', ...named].sort(),
    );
    const limit = query.find((parameter) => parameter['name'] === 'limit');
    expect(limit).toMatchObject({ schema: { type: 'integer', minimum: 1, maximum: 10_000, default: 1_000 } });
    expect(limit).not.toHaveProperty('required', true);
    expect(components.schemas['NewConnection']).toMatchObject({
      additionalProperties: false,
      required: ['name', 'admin_api_key'],
    });
  });

  it('documents the 409 of each list that goes on with "after"', async () => {
    const { paths } = await readDocument();
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
    const lists = operations.filter(({ parameters = [] }) => parameters.some((one) => one['name'] === 'after'));
    expect(lists.length).toBeGreaterThan(5);
    for (const { operationId, responses } of lists)
      expect([operationId, '409' in responses]).toEqual([operationId, true]);
  });

  it('names operations like functions, and the names do not change', async () => {
    const { paths } = await readDocument();
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(OPERATIONS);
    for (const { operationId } of operations) expect(operationId).toMatch(/^[a-z]+(?:[A-Z][a-z]+)+$/);
  });

  it('describes every route, tag, parameter, field of a body and problem', async () => {
    const document = await readDocument();
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    const parameters = operations.flatMap((operation) => operation.parameters ?? []);
    const bodies = [
      'NewConnection',
      'NewKey',
      'NewToken',
      'Renaming',
      'SyncRequest',
      'BackfillRequest',
      'NewChannel',
      'NewReport',
      'ReportChange',
      'ChannelChange',
      'AnomalyFeedback',
      'AnomalySettings',
    ];
    const fields = bodies.flatMap((name) => childrenOf(document.components.schemas[name]?.['properties']));
    const described = [...operations.map(({ summary: description }) => ({ description })), ...parameters, ...fields];
    expect(described.length).toBeGreaterThan(60);
    for (const node of [...described, ...document.tags, ...Object.values(document.components.responses)]) {
      expect(node).toMatchObject({ description: expect.stringMatching(/^[A-Z`].{9,}/) as string });
    }
  });

  it('lists the problems of each route, and their headers', async () => {
    const { paths, components } = await readDocument();
    const always = ['400', '405', '408', '431', '500'];
    for (const [path, methods] of Object.entries(paths)) {
      for (const { responses } of Object.values(methods)) {
        const under = path.startsWith('/v1/') ? ['401', '403', '413', '429', '503'] : [];
        const thing = path.includes('{') ? ['404'] : [];
        expect(Object.keys(responses)).toEqual(expect.arrayContaining([...always, ...under, ...thing]));
      }
    }
    expect(components.responses).toMatchObject({
      MethodNotAllowed: { headers: { Allow: { required: true } } },
      Unauthorized: { headers: { 'WWW-Authenticate': { required: true } } },
      TooManyRequests: { headers: { 'Retry-After': { required: true } } },
    });
  });

  it('shows an example of each problem with its status and one of its codes', async () => {
    const document = await readDocument();
    let examples = 0;
    for (const methods of Object.values(document.paths)) {
      for (const { responses } of Object.values(methods)) {
        for (const [status, given] of Object.entries(responses).filter(([one]) => one >= '400')) {
          const reference = isNode(given) && typeof given['$ref'] === 'string' ? given['$ref'] : null;
          const { description, content } = (reference === null ? given : at(document, reference)) as Refusal;
          const example = problem.parse(content['application/problem+json'].example);
          expect([status, description.includes(`\`${example.code}\``)]).toEqual([String(example.status), true]);
          examples += 1;
        }
      }
    }
    expect(examples).toBeGreaterThan(200);
  });

  it('has no pattern that JavaScript and Python read differently', async () => {
    const patterns = [...nodesOf(await readDocument())].flatMap(({ pattern }) =>
      typeof pattern === 'string' ? [pattern] : [],
    );
    expect(patterns.length).toBeGreaterThan(20);
    for (const pattern of patterns) {
      expect(() => new RegExp(pattern, 'u')).not.toThrow();
      expect(pattern).not.toMatch(/\\[dDwWsSbBpPkzZA]|\\u\{|\(\?[^:!=]/);
    }
  });

  it('has no text that Markdown would read as HTML', async () => {
    const texts = [...nodesOf(await readDocument())].flatMap(({ description, summary }) => [description, summary]);
    const sentences = texts.filter((text) => typeof text === 'string');
    expect(sentences.join()).toContain('`Authorization: Bearer <token>`');
    for (const sentence of sentences) expect(sentence.replaceAll(/`[^`]*`/g, '')).not.toMatch(/<|"[^"]*&lt;/);
  });

  it('is the same document each time', () => {
    expect(JSON.stringify(openApiDocument(endpoints))).toBe(JSON.stringify(openApiDocument(endpoints)));
  });
});

describe('/docs', () => {
  it('shows the routes first, and little before them', async () => {
    const { text } = await api.get('/docs/', null);
    const [routes, problems] = [text.indexOf('<div id="swagger-ui">'), text.indexOf('<section id="problems">')];
    expect([routes > 0, problems > routes]).toEqual([true, true]);
    const { description } = (await readDocument()).info;
    expect(String(description).length).toBeLessThan(800);
    expect(description).not.toContain('|');
  });

  it('says where the token is: in the file that the local stack writes or in the variable that the API reads; and how to create more', async () => {
    const { description } = (await readDocument()).components.securitySchemes['token'] ?? {};
    expect(description).toContain(`\`${loadConfig({}).dataDir}/${TOKEN_FILE}\``);
    expect(loadConfig({ METERLINE_API_TOKEN: 'a'.repeat(32) }).apiToken).toBe('a'.repeat(32));
    expect(description).toContain('`METERLINE_API_TOKEN`');
    expect(description).toContain('`npm run tokens -- create --name <name> --role viewer`');
  });

  it.each(FAILURE_CODES)('explains the problem %s where the type of its document links to', async (code) => {
    const { text } = await api.get('/docs/', null);
    expect(text.split(`id="${code}"`)).toHaveLength(2);
    const place = text.slice(text.indexOf(`id="${code}"`)).split('</article>')[0];
    const { status, message } = FAILURES[code];
    expect(place).toContain(`${status}`);
    expect(place).toContain(message.replaceAll('"', '&quot;').replaceAll("'", '&#39;'));
  });

  it.each([
    ['/v1/nothing', 'not_found'],
    ['/v1/connections?limit=x', 'invalid_request'],
    ['/v1/costs?from=2026-07-02&to=2026-07-01', 'invalid_request'],
    ['/v1/costs?after=eyJ4IjoxfQ', 'conflict'],
  ])('is where the type of a problem document links to: %s', async (path, code) => {
    const { type } = (await api.get(path)).body as unknown as { type: string };
    const { pathname, hash } = new URL(type, api.url);
    expect([pathname, hash]).toEqual(['/docs', `#${code}`]);
    expect(Object.keys(FAILURES)).toContain(code);
  });

  it('links only to assets that exist on this server', async () => {
    const redirect = await api.get('/docs', null);
    expect(redirect.status).toBe(308);
    const place = new URL(redirect.headers.get('location') ?? '', `${api.url}/docs`);
    expect(place.href).toBe(`${api.url}/docs/`);
    const page = await api.get('/docs/', null);
    expect(page.status).toBe(200);
    const assets = [...page.text.matchAll(/(?:src|href)=["']([^"'#]+)["']/g)].map((match) => match[1] ?? '');
    expect(assets.length).toBeGreaterThan(4);
    for (const asset of assets) {
      const url = new URL(asset, `${api.url}/docs/`);
      expect(url.origin).toBe(api.url);
      const loaded = await api.get(url.pathname, null);
      expect([asset, loaded.status]).toEqual([asset, 200]);
      expect(loaded.headers.get('x-content-type-options')).toBe('nosniff');
    }
    const setup = await api.get('/docs/swagger-ui-init.js', null);
    expect(setup.text).toContain('"swaggerUrl": "/openapi.json"');
    expect(setup.text).toContain('"validatorUrl": null');
    expect(setup.text).not.toMatch(/https?:\/\//);
  });

  it('may load nothing from other hosts and run no inline script', async () => {
    const { headers, text } = await api.get('/docs/', null);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).not.toMatch(/https?:|upgrade-insecure|script-src[^;]*unsafe/);
    expect(text).not.toMatch(/<script>/);
  });

  it.each([
    'index.html',
    'swagger-initializer.js',
    'package.json',
    'swagger-ui.js.map',
    'absolute-path.js',
    '../package.json',
  ])('does not serve the rest of the package: %s', async (file) => {
    expect((await api.get(`/docs/${file}`, null)).status).toBe(404);
  });
});
