import { prerender } from './admin-api/prerender.ts';
import type { Paging, PagingChange } from './admin-api/reports.ts';
import { spellingSchema, type Spelling, type SpellingInput } from './admin-api/spelling.ts';
import type { ClockChange, ClockState } from './clock.ts';
import type { ConductReport } from './conduct.ts';
import { formatTime } from './days.ts';
import { ControlError } from './errors.ts';
import type { ArmedFault, FaultInput } from './faults/faults.ts';
import { eventSchema, type EventInput, type SpendEvent } from './organization/events.ts';
import {
  costLines,
  usageLines,
  type CostLedgerLine,
  type LedgerQuery,
  type UsageLedgerLine,
} from './organization/ledger-lines.ts';
import type { KeyState, Organization, OrganizationOptions } from './organization/organization.ts';
import type { KeyOwner } from './organization/organizations.ts';
import type { LatenessInput, Restatement, RestatementInput } from './organization/restatements.ts';
import type { Workspace } from './organization/series.ts';
import type { WorkspaceChange, WorkspaceDirectory } from './organization/workspace-directory.ts';
import type { RequestReport } from './requests.ts';
import type { State } from './state.ts';

export interface KeyView {
  organization: string;
  key: string;
  state: KeyState;
}

export interface OrganizationView {
  id: string;
  name: string;
  individual: boolean;
  workspaces: WorkspaceView[];
}

export interface WorkspaceView {
  id: string;
  name: string;
  created_at: string;
  archived_at: string | null;
  tags: Readonly<Record<string, string>>;
  default: boolean;
}

export interface WorkspaceInput {
  /** Its id or name. */
  workspace: string;
  organization?: string | undefined;
}

/**
 * What a test or a demo may look at and change while the simulator runs. Each method is a route of the control surface
 * as well, see control-routes.ts. Methods throw ControlError, or ZodError for input of the wrong shape.
 */
export class Control {
  readonly #state: State;
  readonly #isPrerendered: boolean;

  constructor(state: State, options: { isPrerendered: boolean }) {
    this.#state = state;
    this.#isPrerendered = options.isPrerendered;
  }

  /** Moves, sets, stops or starts the clock, and returns where it stands. Without a change it only returns. */
  clock(change: ClockChange = {}): ClockState {
    return this.#state.clock.change(change);
  }

  organization(idOrName?: string): OrganizationView {
    return organizationView(this.#state.organizations.ledgerOf(idOrName).organization);
  }

  organizations(): OrganizationView[] {
    return this.#state.organizations.all().map(organizationView);
  }

  addOrganization(options: OrganizationOptions = {}): OrganizationView {
    const ledger = this.#state.organizations.add(options);
    if (this.#isPrerendered) prerender(ledger, this.#state.spelling);
    return organizationView(ledger.organization);
  }

  /** Renames, tags, archives or restores a workspace in the list. The data of all days stays as it is. */
  changeWorkspace(input: WorkspaceInput & WorkspaceChange): WorkspaceView {
    return workspaceView(this.#directoryOf(input).change(input.workspace, input, this.#now()));
  }

  /** Archives a workspace, and lists another one with its name and tags. */
  recreateWorkspace(input: WorkspaceInput): WorkspaceView {
    return workspaceView(this.#directoryOf(input).recreate(input.workspace, this.#now()));
  }

  #directoryOf({ organization }: WorkspaceInput): WorkspaceDirectory {
    return this.#state.organizations.ledgerOf(organization).organization.directory;
  }

  #now(): string {
    return formatTime(this.#state.clock.nowMs());
  }

  keys(): KeyView[] {
    return this.#state.organizations.keys().map(keyView);
  }

  addKey(options: { organization?: string | undefined; state?: KeyState | undefined } = {}): KeyView {
    return keyView(this.#state.organizations.addKey(options.organization, options.state ?? 'active'));
  }

  setKeyState(key: string, state: KeyState): KeyView {
    const owner = this.#state.organizations.ownerOf(key);
    if (owner === undefined) throw new ControlError('no such key');
    owner.key.state = state;
    return keyView(owner);
  }

  /** Arms a fault. */
  fault(input: FaultInput): ArmedFault {
    return this.#state.faults.arm(input);
  }

  faults(): ArmedFault[] {
    return this.#state.faults.list();
  }

  /** Disarms every fault and sends the replies that `hold` kept back. */
  clearFaults(): void {
    this.#state.faults.clear();
  }

  /** Corrects a day. */
  restate(input: RestatementInput): Restatement {
    return this.#state.organizations.ledgerOf(input.organization).restate(input);
  }

  /** Makes something happen to the use or the prices of an organization, on past days as well. Returns all of it. */
  event(input: EventInput): readonly SpendEvent[] {
    const event = eventSchema.parse(input);
    const { events } = this.#state.organizations.ledgerOf(event.organization).organization;
    events.push(event);
    return events;
  }

  /** Hides a day, or a part of it, as if its data came late. */
  late(input: LatenessInput): void {
    this.#state.organizations.ledgerOf(input.organization).hide(input);
  }

  /** Shows a hidden day, or all of them, and returns the days that it showed. */
  release(options: { day?: string | undefined; organization?: string | undefined } = {}): string[] {
    return this.#state.organizations.ledgerOf(options.organization).release(options.day);
  }

  latency(ms: number): void {
    this.#state.latencyMs = ms;
  }

  /** Changes the limits of a page from the next request on; null removes a limit. */
  paging(change: PagingChange = {}): Paging {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    this.#state.paging = { ...this.#state.paging, ...given };
    return this.#state.paging;
  }

  /** Spells report pages in another way from the next request on. What is not given is as usual. */
  spelling(input: SpellingInput = {}): Spelling {
    if (this.#isPrerendered) throw new ControlError('pages that were made beforehand keep their spelling');
    const spelling = spellingSchema.parse(input);
    this.#state.spelling = spelling;
    return spelling;
  }

  /** Every line of a range of days, read from the model and not from served pages. */
  ledger(query: LedgerQuery & { report: 'cost' }): CostLedgerLine[];
  ledger(query: LedgerQuery & { report: 'usage' }): UsageLedgerLine[];
  ledger(query: LedgerQuery): CostLedgerLine[] | UsageLedgerLine[];
  ledger(query: LedgerQuery): CostLedgerLine[] | UsageLedgerLine[] {
    const ledger = this.#state.organizations.ledgerOf(query.organization);
    return query.report === 'cost' ? costLines(ledger, query) : usageLines(ledger, query);
  }

  conduct(): ConductReport {
    return this.#state.conduct.report();
  }

  requests(): RequestReport {
    return this.#state.requests.report();
  }

  /** Empties what `conduct` and `requests` counted. */
  resetCounters(): void {
    this.#state.conduct.reset();
    this.#state.requests.reset();
  }
}

function organizationView({ id, name, individual, directory }: Organization): OrganizationView {
  return { id, name, individual, workspaces: directory.list().map(workspaceView) };
}

function workspaceView({ id, name, createdAt, archivedAt, tags, isDefault }: Workspace): WorkspaceView {
  return { id, name, created_at: createdAt, archived_at: archivedAt, tags, default: isDefault };
}

function keyView({ ledger, key }: KeyOwner): KeyView {
  return { organization: ledger.organization.id, ...key };
}
