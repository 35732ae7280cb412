import { Books } from './organization/ledger.ts';
import type { Clock, ClockChange, ClockState } from './clock.ts';
import { Conduct, type ConductReport } from './conduct.ts';
import { Faults, type ArmedFault, type FaultInput } from './faults/faults.ts';
import { costLedger, usageLedger, type CostLedgerLine, type UsageLedgerLine } from './organization/ledger-lines.ts';
import {
  makeKey,
  makeOrganization,
  type Key,
  type KeyState,
  type OrganizationOptions,
  type Scale,
} from './organization/organization.ts';
import { mix } from './random.ts';
import { render } from './admin-api/prerender.ts';
import type { Paging, PagingChange } from './admin-api/reports.ts';
import { Requests, type RequestReport } from './requests.ts';
import type { LatenessInput, Restatement, RestatementInput } from './organization/restatements.ts';

export interface KeyView {
  organization: string;
  key: string;
  state: KeyState;
}

export interface OrganizationView {
  id: string;
  name: string;
  individual: boolean;
  workspaces: { id: string; name: string; archived_at: string | null; default: boolean }[];
}

export interface LedgerQuery {
  from: string;
  to: string;
  organization?: string | undefined;
}

export interface ControlOptions {
  seed: number;
  clock: Clock;
  scale: Scale;
  paging: Paging;
  latencyMs: number;
  prerendered: boolean;
  organizations: readonly OrganizationOptions[];
}

/** Everything about the simulator that a test or a demo may look at or change while it runs. */
export class Control {
  readonly #seed: number;
  readonly #scale: Scale;
  readonly #clock: Clock;
  readonly #books = new Map<string, Books>();
  readonly #keys = new Map<string, { books: Books; key: Key }>();
  readonly #conduct: Conduct;
  readonly #faults = new Faults();
  readonly #requests = new Requests();
  #paging: Paging;
  #latencyMs: number;
  readonly #prerendered: boolean;

  constructor(options: ControlOptions) {
    this.#seed = options.seed;
    this.#scale = options.scale;
    this.#clock = options.clock;
    this.#paging = options.paging;
    this.#latencyMs = options.latencyMs;
    this.#prerendered = options.prerendered;
    this.#conduct = new Conduct(options.clock);
    for (const organization of options.organizations) this.addOrganization(organization);
  }

  /** The parts that the server works with. */
  get internals(): {
    clock: Clock;
    conduct: Conduct;
    faults: Faults;
    requests: Requests;
    paging: Paging;
    latencyMs: number;
    ownerOf: (key: string) => { books: Books; key: Key } | undefined;
  } {
    return {
      clock: this.#clock,
      conduct: this.#conduct,
      faults: this.#faults,
      requests: this.#requests,
      paging: this.#paging,
      latencyMs: this.#latencyMs,
      ownerOf: (key) => this.#keys.get(key),
    };
  }

  /** Moves, sets, stops or starts the clock; says where it stands. */
  clock(change: ClockChange = {}): ClockState {
    return this.#clock.change(change);
  }

  organization(idOrName?: string): OrganizationView {
    const { organization } = this.#booksOf(idOrName);
    return {
      id: organization.id,
      name: organization.name,
      individual: organization.individual,
      workspaces: organization.workspaces.map((workspace) => ({
        id: workspace.id,
        name: workspace.name,
        archived_at: workspace.archivedAt,
        default: workspace.isDefault,
      })),
    };
  }

  organizations(): OrganizationView[] {
    return [...this.#books.keys()].map((id) => this.organization(id));
  }

  addOrganization(options: OrganizationOptions = {}): OrganizationView {
    const index = this.#books.size;
    const name = options.name ?? (index === 0 ? 'Sample Organization' : `Sample Organization ${index + 1}`);
    const organization = makeOrganization({ ...options, name }, mix(this.#seed, index), this.#scale);
    const books = new Books(organization, this.#clock);
    if (this.#prerendered) render(books);
    this.#books.set(organization.id, books);
    for (const key of organization.keys) this.#keys.set(key.key, { books, key });
    return this.organization(organization.id);
  }

  keys(): KeyView[] {
    return [...this.#keys.values()].map(({ books, key }) => ({ organization: books.organization.id, ...key }));
  }

  addKey(options: { organization?: string | undefined; state?: KeyState | undefined } = {}): KeyView {
    const books = this.#booksOf(options.organization);
    const { keys, id, seed } = books.organization;
    const key: Key = { key: makeKey(mix(seed, 2, keys.length)), state: options.state ?? 'active' };
    keys.push(key);
    this.#keys.set(key.key, { books, key });
    return { organization: id, ...key };
  }

  setKeyState(key: string, state: KeyState): KeyView {
    const owner = this.#keys.get(key);
    if (owner === undefined) throw new RangeError('no such key');
    owner.key.state = state;
    return { organization: owner.books.organization.id, ...owner.key };
  }

  /** Arms a fault. */
  fault(input: FaultInput): ArmedFault {
    return this.#faults.arm(input);
  }

  faults(): ArmedFault[] {
    return this.#faults.list();
  }

  clearFaults(): void {
    this.#faults.clear();
  }

  /** Corrects a day. */
  restate(input: RestatementInput): Restatement {
    return this.#booksOf(input.organization).restate(input);
  }

  /** Hides a day, or a part of it, for now. */
  late(input: LatenessInput): void {
    this.#booksOf(input.organization).hide(input);
  }

  /** Shows what was hidden; returns the days shown. */
  release(options: { day?: string | undefined; organization?: string | undefined } = {}): string[] {
    return this.#booksOf(options.organization).release(options.day);
  }

  latency(ms: number): void {
    this.#latencyMs = ms;
  }

  /** Forces small pages from the next read on; null takes a limit away. */
  paging(change: PagingChange = {}): Paging {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    this.#paging = { ...this.#paging, ...given };
    return this.#paging;
  }

  ledger(query: LedgerQuery & { report: 'cost' }): CostLedgerLine[];
  ledger(query: LedgerQuery & { report: 'usage' }): UsageLedgerLine[];
  ledger(query: LedgerQuery & { report: 'cost' | 'usage' }): CostLedgerLine[] | UsageLedgerLine[];
  ledger(query: LedgerQuery & { report: 'cost' | 'usage' }): CostLedgerLine[] | UsageLedgerLine[] {
    const books = this.#booksOf(query.organization);
    return query.report === 'cost' ? costLedger(books, query.from, query.to) : usageLedger(books, query.from, query.to);
  }

  conduct(): ConductReport {
    return this.#conduct.report();
  }

  requests(): RequestReport {
    return this.#requests.report();
  }

  resetCounters(): void {
    this.#conduct.reset();
    this.#requests.reset();
  }

  #booksOf(idOrName: string | undefined): Books {
    const all = [...this.#books.values()];
    const books =
      idOrName === undefined
        ? all[0]
        : all.find(({ organization }) => organization.id === idOrName || organization.name === idOrName);
    if (books === undefined) throw new RangeError(`no such organization: ${JSON.stringify(idOrName ?? null)}`);
    return books;
  }
}
