import { randomBytes } from 'node:crypto';
import { loadKeysConfig, type KeysConfig } from '../config/config.ts';
import { createKeyRing, type KeyRing } from '../db/keys/key-ring.ts';
import {
  checkStoredKeys,
  nameOf,
  rewrapStoredKeys,
  describeStoredKeysCheck,
  type StoredKey,
  type StoredKeysCheck,
} from '../db/keys/stored-keys.ts';
import { rewrapChannels, type StoredChannel } from '../db/notices/stored-channels.ts';
import { UsageError, runCommand, table, withDatabase, type CommandContext } from './command.ts';

/** `npm run keys`: makes a new encryption key, and moves the stored keys to it. */
const USAGE = `Usage: npm run keys -- <command>

  new      prints a new encryption key, and the steps to move to it
  status   says which encryption keys the stored keys are under, and which of them do not open
  rewrap   seals every stored key under the first of METERLINE_ENCRYPTION_KEYS`;

const STEPS = `
That is a new encryption key, shown this once. To move to it:
  1. Put it first in METERLINE_ENCRYPTION_KEYS, then a comma, then the keys that are there now.
     (npm start keeps them in the file encryption-keys of its data directory, containers in secrets/encryption-keys.)
  2. Stop the API and all workers, and start them again. If they must not all be down at once, put the new key last,
     restart them one by one, then put it first, and restart them one by one again.
  3. npm run keys -- rewrap
  4. When that says that nothing is left, drop the old keys from METERLINE_ENCRYPTION_KEYS, and restart.
`;

await runCommand(USAGE, async ([command, ...rest]) => {
  if (rest.length > 0) throw new UsageError(`"${command ?? ''}" takes no arguments.`);
  switch (command) {
    case 'new':
      return printNew();
    case 'status':
      return withDatabase(loadKeysConfig, status);
    case 'rewrap':
      return withDatabase(loadKeysConfig, rewrap);
    case undefined:
    default:
      throw new UsageError('Name a command: new, status or rewrap.');
  }
});

/** Only the key goes to standard output, so that a redirection can store it. */
function printNew(): number {
  const today = new Date().toISOString().slice(0, 10);
  console.log(`${today}-${randomBytes(3).toString('hex')}:${randomBytes(32).toString('base64')}`);
  console.error(STEPS);
  return 0;
}

async function status({ db, config }: CommandContext<KeysConfig>): Promise<number> {
  const ring = createKeyRing(config.encryptionKeys);
  const report = await checkStoredKeys(db, ring);
  printReport(report, ring);
  return problemsIn(report) === 0 ? 0 : 1;
}

async function rewrap({ db, config }: CommandContext<KeysConfig>): Promise<number> {
  const ring = createKeyRing(config.encryptionKeys);
  const { rewrapped, left } = await rewrapStoredKeys(db, ring, (done) => {
    console.log(`${done} done`);
  });
  const { rewrapped: secrets, left: leftChannels } = await rewrapChannels(db, ring);
  console.log(`Sealed anew under "${ring.ids[0]}": ${rewrapped + secrets}\n`);
  const report = await checkStoredKeys(db, ring);
  printReport(report, ring);
  if (left.length + leftChannels.length > 0) {
    const unreadable = new Set(report.unreadable.map(({ keyId }) => keyId));
    const why = (key: StoredKey): string =>
      unreadable.has(key.keyId)
        ? 'it does not open'
        : 'it was stored or locked meanwhile: when the API and the workers have the new first key, run this again';
    console.log(`\nLeft under another encryption key than "${ring.ids[0]}": ${left.length + leftChannels.length}`);
    for (const key of left) console.log(`  ${lineOf(key)}: ${why(key)}`);
    for (const channel of leftChannels)
      console.log(`  ${lineOfChannel(channel)}: it does not open, or was changed meanwhile`);
  } else {
    console.log(`\nNothing is left under another encryption key than "${ring.ids[0]}".`);
  }
  return left.length + leftChannels.length + problemsIn(report) === 0 ? 0 : 1;
}

function printReport(report: StoredKeysCheck, ring: KeyRing): void {
  const known = ring.ids.map((id, place) => [id, countOf(report, id), place === 0 ? 'seals and opens' : 'opens']);
  const unknown = report.uses
    .filter(({ encryptionKeyId }) => !ring.ids.includes(encryptionKeyId))
    .map(({ encryptionKeyId }) => [
      encryptionKeyId,
      countOf(report, encryptionKeyId),
      'is not in METERLINE_ENCRYPTION_KEYS',
    ]);
  console.log(table([['encryption key', 'stored keys', ''], ...known, ...unknown]));
  for (const key of report.unreadable) console.log(`\nDoes not open: ${lineOf(key)}`);
  for (const channel of report.unreadableChannels) console.log(`\nDoes not open: ${lineOfChannel(channel)}`);
  console.log(`\n${describeStoredKeysCheck(report, ring).message}`);
}

function countOf({ uses }: StoredKeysCheck, id: string): string {
  return String(uses.find(({ encryptionKeyId }) => encryptionKeyId === id)?.keys ?? 0);
}

function lineOf(key: StoredKey): string {
  return `${nameOf(key)}, its ${key.state} key …${key.hint}, under "${key.encryptionKeyId}"`;
}

function lineOfChannel({ name, channelId, encryptionKeyId }: StoredChannel): string {
  return `the secret of channel "${name}" (${channelId}), under "${encryptionKeyId}"`;
}

function problemsIn({ unreadable, unreadableChannels }: StoredKeysCheck): number {
  return unreadable.length + unreadableChannels.length;
}
