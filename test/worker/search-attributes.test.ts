import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { searchAttributeRegistry, type SearchAttributeRegistry } from '../../worker/search-attributes.ts';
import { searchAttributes } from '../../workflows/search-attributes.ts';

const KEYWORD = 2;
const INT = 3;
const ALL = Object.values(searchAttributes).map(({ name }) => name);

/** A Temporal server, as far as it has to do with search attributes. */
class Server {
  there: Record<string, number> = {};
  isListing = true;
  /** Which ones may be registered. */
  takes: (name: string) => boolean = () => true;
  listed = 0;
  added = 0;
  /** Set, it holds every answer. */
  hold: Promise<void> = Promise.resolve();
  readonly operatorService = {
    listSearchAttributes: async (): Promise<{ customAttributes: Record<string, number> }> => {
      this.listed += 1;
      await this.hold;
      if (!this.isListing) throw new Error('7 PERMISSION_DENIED');
      return { customAttributes: { ...this.there } };
    },
    addSearchAttributes: ({
      searchAttributes: wanted,
    }: {
      searchAttributes: Record<string, number>;
    }): Promise<void> => {
      this.added += 1;
      const taken = Object.entries(wanted).filter(([name]) => this.takes(name) && !Object.hasOwn(this.there, name));
      this.there = { ...this.there, ...Object.fromEntries(taken) };
      return taken.length === Object.keys(wanted).length
        ? Promise.resolve()
        : Promise.reject(new Error('7 PERMISSION_DENIED'));
    },
  };
  readonly withDeadline = <T>(_deadline: number, ask: () => Promise<T>): Promise<T> => ask();
}

let server: Server;
let registry: SearchAttributeRegistry;
let logged: { level: number; msg: string; missing?: string[] }[];
beforeEach(() => {
  server = new Server();
  logged = [];
  const log = pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line) as (typeof logged)[0]) });
  registry = searchAttributeRegistry(server, 'default', log);
});

describe('search attributes', () => {
  it('are registered if they are missing, even if the server loses some later; nothing is sent while it has all', async () => {
    await registry.register();
    expect(await registry.registered()).toEqual(ALL);
    await registry.register();
    expect(server.added).toBe(1);
    server.there = { MeterlineName: KEYWORD };
    await registry.register();
    expect(await registry.registered()).toEqual(ALL);
  });

  it('are listed as of now, even right after an earlier question', async () => {
    await registry.register();
    expect(await registry.registered()).toEqual(ALL);
    server.there = {};
    expect(await registry.registered()).toEqual([]);
  });

  it('are asked for once by all callers of the same moment', async () => {
    let release = (): void => undefined;
    server.hold = new Promise((resolve) => (release = resolve));
    const answers = [registry.registered(), registry.registered(), registry.registered()];
    release();
    expect(await Promise.all(answers)).toEqual([[], [], []]);
    expect(server.listed).toBe(1);
  });

  it('that the server refuses to register are not used, and the log says so once', async () => {
    server.takes = (name) => name === 'MeterlineStatus';
    for (let round = 0; round < 3; round += 1) await registry.register();
    expect(await registry.registered()).toEqual(['MeterlineStatus']);
    const missing = ALL.filter((name) => name !== 'MeterlineStatus');
    expect(logged.map((line) => [line.level, line.missing])).toEqual([[40, missing]]);
    server.takes = () => true;
    await registry.register();
    expect(logged.at(-1)?.msg).toBe('all search attributes are registered');
  });

  it('are not used if the server does not list them, and the log says so once', async () => {
    server.isListing = false;
    await registry.register();
    await registry.register();
    expect(await registry.registered()).toEqual([]);
    expect(logged.map(({ msg }) => msg)).toEqual(['search attributes cannot be listed; none are used']);
  });

  it('of another type are not used: a number cannot hold a name', async () => {
    server.there = { MeterlineName: INT };
    await registry.register();
    expect(await registry.registered()).toEqual(ALL.filter((name) => name !== 'MeterlineName'));
  });
});
