import type { Day } from '../../../domain/days.ts';
import type { Status } from '../../../domain/connection/statuses.ts';
import type { Sequence } from './commands.ts';
import type { Seen } from './observe.ts';
import { placeOf, type Revisions } from './revisions.ts';

type AnthropicState = 'active' | 'revoked' | 'forbidden';

/** What a round did to all connections, as far as the model depends on it. */
export interface Round {
  readonly name: string;
  /** The UTC day on which the connections were told things. */
  readonly toldOn: Day;
  /** The last day on which the daily syncs were due after that, if they were. */
  readonly dueOn: Day | null;
  /** How much time passed. */
  readonly hours: number;
}

/**
 * One connection as the model sees it: what was done to it, and what must hold by that. It knows nothing of how
 * Meterline decides.
 */
export class Life {
  id = '';
  /** What Anthropic says of each secret of this organization. */
  readonly anthropic = new Map<string, AnthropicState>();
  /** The secrets that Anthropic did not take at some time. */
  readonly wereBad = new Set<string>();
  /** The secret behind each stored key's id; null for one of another organization. */
  readonly secrets = new Map<string, string | null>();
  /** The id of the key that serves; null before the first is accepted. */
  serving: string | null = null;
  /** Replaced keys whose successor is not proven. */
  replaced: string[] = [];
  /** Keys that were asked to be used, in order, and have no answer yet. */
  asked: string[] = [];
  paused = false;
  ended: 'disconnected' | 'refused' | null = null;
  purged = false;
  malformed = 0;
  /** Where it stood when it was looked at last. */
  status: Status = 'validating';
  /** Whether Meterline knew then that Anthropic does not take its key. */
  rejected = false;
  /** Failures of Anthropic that are still on. */
  failing = false;
  /** Failures that may have left lines out, until a sync that met none. */
  linesLost = false;
  /** Whether all of this round is determined: nothing failed, and no key changed under a request. */
  quiet = true;
  syncAsked = false;
  /** Days that somebody asked for by name, and the last sync that there was then: a later one must read them all. */
  wishes: { readonly from: Day; readonly to: Day; readonly after: number }[] = [];
  lastSync = 0;
  /** What was stored of each day when it was looked at last. */
  stored = new Map<string, { text: string; number: number; readOn: Day; total: string }>();
  restatements = 0;

  constructor(
    readonly index: number,
    readonly sequence: Sequence,
    readonly organization: string,
    readonly began: Day,
    readonly revisions: Revisions,
  ) {}

  beginRound(calm: boolean): void {
    // Keys that got no answer are not tried again while the connection is paused.
    this.quiet = !this.failing && this.asked.length === 0;
    if (calm) this.failing = false;
    this.syncAsked = false;
  }

  /** Whether Anthropic takes a key for this organization. */
  isGood(keyId: string | null): boolean {
    const secret = keyId === null ? null : (this.secrets.get(keyId) ?? null);
    return secret !== null && this.anthropic.get(secret) === 'active';
  }

  wasAlwaysGood(keyId: string): boolean {
    return this.isGood(keyId) && !this.wereBad.has(this.secrets.get(keyId) ?? '');
  }

  /** Keeps what Anthropic says of a secret from now on. */
  setAnthropic(secret: string, state: AnthropicState): void {
    this.anthropic.set(secret, state);
    if (state !== 'active') this.wereBad.add(secret);
  }

  /** The key that serves once all that were asked for are answered: the last good one. */
  get heir(): string | null {
    return this.asked.filter((keyId) => this.isGood(keyId)).at(-1) ?? this.serving;
  }

  /** The wishes that no sync has answered yet. */
  unanswered({ readByName }: Seen): typeof this.wishes {
    return this.wishes.filter(
      ({ from, to, after }) => !readByName.some((sync) => sync.n > after && sync.from <= from && sync.to >= to),
    );
  }

  /** Takes over what cannot be known before it is looked at. */
  adopt(seen: Seen): void {
    const idsOf = (state: string): string[] => seen.keys.filter((key) => key.state === state).map(({ id }) => id);
    this.status = seen.status;
    this.rejected = seen.failure?.startsWith('key_') ?? false;
    if (seen.status === 'refused') this.ended = 'refused';
    this.serving = idsOf('active')[0] ?? this.serving;
    this.replaced = idsOf('superseded');
    const waiting = idsOf('candidate');
    this.asked = this.asked.filter((keyId) => waiting.includes(keyId));
    // A key that is not taken is asked once by each wish for a sync, and then the wish is over.
    if (this.rejected || !this.isGood(this.serving)) this.wishes = [];
    this.wishes = this.unanswered(seen);
    this.lastSync = seen.lastSync;
    this.restatements = seen.restatements.at(-1)?.id ?? this.restatements;
    this.stored = new Map(
      seen.days.map(({ report, day, readOn, total }) => {
        const place = placeOf(report, day);
        const text = seen.lines.get(place) ?? '';
        return [place, { text, number: this.revisions.numberOf(place, text), readOn, total }];
      }),
    );
  }
}
