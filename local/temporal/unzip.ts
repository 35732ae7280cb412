import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { StackError } from '../errors.ts';

/** Signatures and sizes of the records of a zip archive, from its specification (APPNOTE.TXT, section 4.3). */
const END_RECORD = { signature: 0x06054b50, bytes: 22 };
const DIRECTORY_ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL_HEADER_BYTES = 30;
/** The end record and the longest comment that may follow it. */
const MAX_END_BYTES = 66_000;
const METHOD_STORED = 0;

type Read = (position: number, length: number) => Promise<Buffer>;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly packedBytes: number;
  /** Where the file's local header begins. */
  readonly offset: number;
}

/**
 * Unpacks the one file of a zip archive whose name ends with `suffix`. It trusts the archive, so the caller checks the
 * hash first. Throws StackError if the archive has no such file.
 */
export async function unzipOne(archive: string, suffix: string, to: string): Promise<void> {
  const file = await open(archive, 'r');
  try {
    const read: Read = async (position, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    const { size } = await file.stat();
    const directory = await readDirectory(read, size);
    if (directory === null) throw new StackError(`${archive} is not a zip archive.`);
    const entry = entriesOf(directory).find(({ name }) => name.endsWith(suffix));
    if (entry === undefined) throw new StackError(`${archive} has no file whose name ends with ${suffix}.`);
    const local = await read(entry.offset, LOCAL_HEADER_BYTES);
    const start = entry.offset + LOCAL_HEADER_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28);
    const content = createReadStream(archive, { start, end: start + entry.packedBytes - 1 });
    const target = createWriteStream(to, { mode: 0o755 });
    if (entry.method === METHOD_STORED) await pipeline(content, target);
    else await pipeline(content, createInflateRaw(), target);
  } finally {
    await file.close();
  }
}

/** The list of an archive's files, which the record at the end of the archive leads to. */
async function readDirectory(read: Read, size: number): Promise<Buffer | null> {
  const tail = await read(Math.max(0, size - MAX_END_BYTES), Math.min(size, MAX_END_BYTES));
  const end = [...tail.keys()].findLast(
    (at) => at + END_RECORD.bytes <= tail.length && tail.readUInt32LE(at) === END_RECORD.signature,
  );
  return end === undefined ? null : await read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
}

function entriesOf(directory: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + DIRECTORY_ENTRY.bytes <= directory.length;) {
    if (directory.readUInt32LE(at) !== DIRECTORY_ENTRY.signature) break;
    const nameLength = directory.readUInt16LE(at + 28);
    const nameAt = at + DIRECTORY_ENTRY.bytes;
    entries.push({
      name: directory.toString('utf8', nameAt, nameAt + nameLength),
      method: directory.readUInt16LE(at + 10),
      packedBytes: directory.readUInt32LE(at + 20),
      offset: directory.readUInt32LE(at + 42),
    });
    at = nameAt + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}
