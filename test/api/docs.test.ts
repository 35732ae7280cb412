import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endpoints } from '../../api/app.ts';
import { openApiDocument } from '../../api/openapi.ts';
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
  readonly components: { readonly schemas: Record<string, Node>; readonly securitySchemes: Record<string, Node> };
}

interface Operation {
  readonly operationId: string;
  readonly parameters?: Node[];
  readonly responses: Node;
}

async function readDocument(): Promise<Document> {
  return JSON.parse((await api.get('/openapi.json', null)).text) as Document;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}

function* nodesOf(value: unknown): Generator<Node> {
  if (!isNode(value)) return;
  yield value;
  for (const child of Object.values(value)) yield* nodesOf(child);
}

function at(document: unknown, pointer: string): unknown {
  return pointer
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((node, name) => (isNode(node) ? node[name] : undefined), document);
}

describe('/openapi.json', () => {
  it('is OpenAPI 3.1, and every reference in it leads somewhere', async () => {
    const document = await readDocument();
    expect(document.openapi).toMatch(/^3\.1\.\d$/);
    expect(document.info).toMatchObject({ title: 'Meterline', version: '1' });
    expect(document.components.securitySchemes['token']).toMatchObject({ type: 'http', scheme: 'bearer' });
    const references = [...nodesOf(document)].flatMap(({ $ref: reference }) =>
      typeof reference === 'string' ? [reference] : [],
    );
    expect(references.length).toBeGreaterThan(20);
    for (const reference of references) expect(at(document, reference)).toBeDefined();
  });

  it('has every route, each under its own name, with its path parameters, replies and refusals', async () => {
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
      expect(isOfOne).toBe(path.includes('{id}'));
      const statuses = Object.keys(operation.responses);
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true);
      if (path.startsWith('/v1')) expect(statuses).toEqual(expect.arrayContaining(['400', '401', '403', '429']));
    }
  });

  it('says of parameters and bodies what the schemas check', async () => {
    const { paths, components } = await readDocument();
    const query = paths['/v1/costs']?.['get']?.parameters ?? [];
    expect(query.map((parameter) => parameter['name']).sort()).toEqual([
      'after',
      'connection_id',
      'from',
      'group_by',
      'limit',
      'to',
    ]);
    const limit = query.find((parameter) => parameter['name'] === 'limit');
    expect(limit).toMatchObject({ schema: { type: 'integer', minimum: 1, maximum: 10_000, default: 1_000 } });
    expect(limit).not.toHaveProperty('required', true);
    expect(components.schemas['NewConnection']).toMatchObject({
      additionalProperties: false,
      required: ['name', 'admin_api_key'],
    });
  });

  it('is the same document each time', () => {
    expect(JSON.stringify(openApiDocument(endpoints))).toBe(JSON.stringify(openApiDocument(endpoints)));
  });
});

describe('/docs', () => {
  it('leads to a page of which every asset comes from here and exists', async () => {
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

  it('may load nothing from elsewhere and run no script of the page itself', async () => {
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
