import { parseArgs } from 'node:util';
import { z } from 'zod';
import { loadDatabaseConfig } from '../config/config.ts';
import { loadConnectionState } from '../db/connections/live.ts';
import { inSnapshot } from '../db/core/cursor.ts';
import { EXPORT_LIMITS, type Db } from '../db/core/database.ts';
import { EXPORTS_SESSION } from '../db/core/sessions.ts';
import { openAllocatedExport, openFocusExport } from '../db/focus/export.ts';
import type { FocusQuery } from '../db/focus/query.ts';
import { ASKABLE_DAY, MAX_QUERY_DAYS, dayOf, isAskableDay, lengthOf, type Day } from '../domain/days.ts';
import { FOCUS_VERSIONS, type FocusProfile } from '../domain/focus/columns.ts';
import { factsOf, metadataOf } from '../domain/focus/metadata.ts';
import type { FocusLine } from '../domain/focus/row.ts';
import { daysOfMonth, monthOf } from '../domain/months.ts';
import { FOCUS_FORMATS, problemWithDigits, writeFocus, type FocusFormat } from '../exports/focus.ts';
import type { Sink } from '../exports/sink.ts';
import { UsageError, refuseRepeated, runCommand, withDatabase } from './command.ts';
import { FileError, refuseExisting, writeText, writeWhole } from './file.ts';

/** `npm run focus`: writes costs and usage as a FOCUS file. Access to the database is enough to use it. */
const USAGE = `Usage: npm run focus -- --from <day> --to <day> --out <file>

  --version ${FOCUS_VERSIONS.join('|')}     the version of FOCUS (default ${FOCUS_VERSIONS[0]})
  --format ${FOCUS_FORMATS.join('|')}   what it is written in (default ${FOCUS_FORMATS[0]})
  --connection <id>     only this connection; repeat it for several
  --allocated           a row for each cost center; whole months only
  --force               replace a file that exists
  --out -               CSV to standard output, without metadata`;

interface Order {
  readonly profile: FocusProfile;
  readonly format: FocusFormat;
  readonly query: FocusQuery;
  readonly out: string;
  readonly isForced: boolean;
}

await runCommand(USAGE, async (args) => {
  const order = orderOf(args, dayOf(Date.now()));
  const { out, isForced } = order;
  try {
    if (out !== '-' && !isForced) await refuseExisting([out, metadataFile(out)]);
    return await withDatabase(loadDatabaseConfig, ({ db }) => write(db, order), {
      name: EXPORTS_SESSION,
      limits: EXPORT_LIMITS,
    });
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    console.error(error.message);
    return 1;
  }
});

function metadataFile(out: string): string {
  return `${out}.metadata.json`;
}

async function write(db: Db, { profile, format, query, out }: Order): Promise<number> {
  for (const id of query.connections ?? []) {
    if ((await loadConnectionState(db, id)) === null) throw new UsageError(`--connection ${id} is no connection.`);
  }
  return inSnapshot(db, async (tx) => {
    const opened = profile.isAllocated ? await openAllocatedExport(tx, query) : await openFocusExport(tx, query);
    const problem = problemWithDigits(format, opened);
    if (problem !== null) throw new UsageError(`--format ${format} ${problem}.`);
    const facts = factsOf(profile, query, opened);
    const lines = counted(opened.lines);
    const metadata = `${JSON.stringify(metadataOf(facts), null, 2)}\n`;
    if (out === '-') {
      await writeFocus(format, facts, lines, standardOutput());
      return 0;
    }
    await writeWhole(out, async (handle) => {
      await writeFocus(format, facts, lines, {
        isOpen: true,
        write: async (bytes) => {
          // A handle may take only a part of what it is given; this writes all of it.
          await handle.appendFile(bytes);
        },
      });
      // Before the file has its name, so that it is never there without them.
      await writeText(metadataFile(out), metadata);
    });
    return 0;
  });
}

/** The same lines, counted on standard error where a person looks. */
async function* counted(lines: AsyncIterable<readonly FocusLine[]>): AsyncGenerator<readonly FocusLine[]> {
  let count = 0;
  for await (const batch of lines) {
    yield batch;
    count += batch.length;
    if (process.stderr.isTTY) process.stderr.write(`\r${count} rows, through ${batch.at(-1)?.day ?? ''}`);
  }
  process.stderr.write(`${process.stderr.isTTY ? '\r' : ''}${count} rows written.\n`);
}

/** A reader that ends early, such as `head`, closes it. After that, nothing else comes of it. */
function standardOutput(): Sink {
  let isOpen = true;
  const closed = new Promise<void>((resolve) => {
    process.stdout.on('error', () => {
      isOpen = false;
      resolve();
    });
  });
  return {
    get isOpen() {
      return isOpen;
    },
    write: async (bytes) => {
      if (!isOpen || process.stdout.write(bytes)) return;
      const drained = new Promise<void>((resolve) => process.stdout.once('drain', resolve));
      await Promise.race([drained, closed]);
    },
  };
}

function orderOf(args: string[], today: Day): Order {
  const { version = FOCUS_VERSIONS[0], format = FOCUS_FORMATS[0], ...options } = optionsOf(args);
  const knownVersion = FOCUS_VERSIONS.find((one) => one === version);
  if (knownVersion === undefined) throw new UsageError(`--version must be one of ${FOCUS_VERSIONS.join(', ')}.`);
  const knownFormat = FOCUS_FORMATS.find((one) => one === format);
  if (knownFormat === undefined) throw new UsageError(`--format must be one of ${FOCUS_FORMATS.join(', ')}.`);
  const { from, to, out = '', connection, allocated: isAllocated = false, force: isForced = false } = options;
  if (out === '') throw new UsageError('--out must name a file, or be - for standard output.');
  if (out === '-' && knownFormat !== 'csv') throw new UsageError('--out - takes --format csv.');
  const range = { from: dayIn('from', from), to: dayIn('to', to) };
  if (range.from > range.to) throw new UsageError('--from must not be after --to.');
  if (lengthOf(range) > MAX_QUERY_DAYS)
    throw new UsageError(`--from must be at most ${MAX_QUERY_DAYS - 1} days before --to.`);
  const isWhole =
    daysOfMonth(monthOf(range.from)).from === range.from && daysOfMonth(monthOf(range.to)).to === range.to;
  if (isAllocated && !isWhole)
    throw new UsageError('--allocated takes whole months: --from the first day of one, --to the last.');
  for (const id of connection ?? []) {
    if (!z.guid().safeParse(id).success) throw new UsageError('--connection must be the id of a connection.');
  }
  const connections = connection?.map((id) => id.toLowerCase()) ?? null;
  return {
    profile: { version: knownVersion, isAllocated },
    format: knownFormat,
    query: { ...range, today, connections },
    out,
    isForced,
  };
}

function dayIn(name: string, text: string | undefined): Day {
  if (text === undefined || !isAskableDay(text)) throw new UsageError(`--${name} ${ASKABLE_DAY}.`);
  return text;
}

function optionsOf(args: string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    ...{ version: text, format: text, from: text, to: text, out: text },
    ...{ connection: { ...text, multiple: true as const }, allocated: flag, force: flag },
  } as const;
  refuseRepeated(args, options);
  try {
    return parseArgs({ args, options }).values;
  } catch {
    throw new UsageError('The command takes the options below alone, each text with a value.');
  }
}
