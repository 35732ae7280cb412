import type { Clock } from '../clock.ts';
import { ControlError } from '../errors.ts';
import { mix } from '../random.ts';
import { makeKey } from './ids.ts';
import { Ledger } from './ledger.ts';
import {
  makeOrganization,
  type Key,
  type KeyState,
  type Organization,
  type OrganizationOptions,
  type Scale,
} from './organization.ts';

/** A key together with the ledger that it opens. */
export interface KeyOwner {
  readonly ledger: Ledger;
  readonly key: Key;
}

/** The organizations of a simulator, each with its ledger and its keys. */
export class Organizations {
  readonly #seed: number;
  readonly #scale: Scale;
  readonly #clock: Clock;
  readonly #ledgers: Ledger[] = [];
  readonly #owners = new Map<string, KeyOwner>();

  constructor(options: { seed: number; scale: Scale; clock: Clock }) {
    this.#seed = options.seed;
    this.#scale = options.scale;
    this.#clock = options.clock;
  }

  add(options: OrganizationOptions): Ledger {
    const index = this.#ledgers.length;
    const name = options.name ?? (index === 0 ? 'Sample Organization' : `Sample Organization ${index + 1}`);
    const organization = makeOrganization({ ...options, name }, mix(this.#seed, index), this.#scale);
    const ledger = new Ledger(organization, this.#clock);
    this.#ledgers.push(ledger);
    for (const key of organization.keys) this.#owners.set(key.key, { ledger, key });
    return ledger;
  }

  all(): Organization[] {
    return this.#ledgers.map(({ organization }) => organization);
  }

  /** The ledger of the organization with this id or name; the first one's if none is named. Throws ControlError. */
  ledgerOf(idOrName: string | undefined): Ledger {
    const ledger =
      idOrName === undefined
        ? this.#ledgers[0]
        : this.#ledgers.find(({ organization: { id, name } }) => id === idOrName || name === idOrName);
    if (ledger === undefined) throw new ControlError(`no such organization: ${JSON.stringify(idOrName ?? null)}`);
    return ledger;
  }

  addKey(idOrName: string | undefined, state: KeyState): KeyOwner {
    const ledger = this.ledgerOf(idOrName);
    const { keys, seed } = ledger.organization;
    const owner = { ledger, key: { key: makeKey(mix(seed, 2, keys.length)), state } };
    keys.push(owner.key);
    this.#owners.set(owner.key.key, owner);
    return owner;
  }

  keys(): KeyOwner[] {
    return [...this.#owners.values()];
  }

  ownerOf(key: string): KeyOwner | undefined {
    return this.#owners.get(key);
  }
}
