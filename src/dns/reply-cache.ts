import type { Clock } from '#base/clock.ts';

const ENTRIES_MAX = 2_000;
/** Larger answers are rare, and asked for again. */
const REPLY_BYTES_MAX = 4_096;
/** However long an answer may be kept: names outside the cluster change too, and nobody tells. */
const SECONDS_MAX = 30;
const HEADER_BYTES = 12;
const TRUNCATED_BIT = 0x02;
const RCODE_BITS = 0x0f;
const NX_DOMAIN = 3;
const TYPE_SOA = 6;
/** EDNS: its time to live is something else (RFC 6891 §6.1.3). */
const TYPE_OPT = 41;

interface Entry {
  readonly reply: Buffer;
  readonly records: readonly ResourceRecord[];
  readonly storedMs: number;
  readonly endMs: number;
}

interface ResourceRecord {
  readonly type: number;
  /** Where its time to live is. */
  readonly at: number;
  readonly ttl: number;
  readonly data: Buffer;
}

/**
 * Answers of the host's resolvers for as long as they say, at most half a minute: also that there is no such name, or
 * nothing of that type (RFC 2308). Bounded; the oldest go first.
 */
export class ReplyCache {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The answer to the same query, with its id and what is left of the times to live. */
  get(query: Buffer, via: string): Buffer | undefined {
    const key = keyOf(query, via);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= entry.endMs) {
      this.#entries.delete(key);
      return undefined;
    }
    const reply = Buffer.from(entry.reply);
    query.copy(reply, 0, 0, 2);
    const agedSeconds = Math.floor((nowMs - entry.storedMs) / 1000);
    for (const { type, at, ttl } of entry.records)
      if (type !== TYPE_OPT) reply.writeUInt32BE(Math.max(0, ttl - agedSeconds), at);
    return reply;
  }

  put(query: Buffer, via: string, reply: Buffer): void {
    const records = recordsOf(reply);
    const seconds = records && secondsOf(reply, records);
    if (!records || !seconds || reply.length > REPLY_BYTES_MAX) return;
    const storedMs = this.#clock.monotonicMs();
    const endMs = storedMs + Math.min(seconds, SECONDS_MAX) * 1000;
    const key = keyOf(query, via);
    this.#entries.delete(key);
    this.#entries.set(key, { reply, records, storedMs, endMs });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > ENTRIES_MAX && oldest !== undefined) this.#entries.delete(oldest);
  }
}

/** All of the query but its id: what differs in flags, options or case is another question. */
function keyOf(query: Buffer, via: string): string {
  return via + query.toString('latin1', 2);
}

/** How long the answer holds; undefined where it is not to be kept. */
function secondsOf(reply: Buffer, records: readonly ResourceRecord[]): number | undefined {
  const rcode = (reply[3] ?? 0) & RCODE_BITS;
  if (((reply[2] ?? 0) & TRUNCATED_BIT) !== 0 || (rcode !== 0 && rcode !== NX_DOMAIN))
    return undefined;
  const isNegative = rcode === NX_DOMAIN || reply.readUInt16BE(6) === 0;
  const told = records.filter(({ type }) => type !== TYPE_OPT);
  if (!isNegative) return Math.min(...told.map(({ ttl }) => ttl));
  const authority = told.find(({ type, data }) => type === TYPE_SOA && data.length >= 4);
  // RFC 2308 §5: the lesser of the record's own time and its last field.
  return (
    authority && Math.min(authority.ttl, authority.data.readUInt32BE(authority.data.length - 4))
  );
}

/** Every record after the questions; undefined where the message is not well formed. */
function recordsOf(reply: Buffer): readonly ResourceRecord[] | undefined {
  try {
    let at = HEADER_BYTES;
    for (let left = reply.readUInt16BE(4); left > 0; left -= 1) at = nameEnd(reply, at) + 4;
    const count = [6, 8, 10].reduce((sum, field) => sum + reply.readUInt16BE(field), 0);
    const records: ResourceRecord[] = [];
    for (let left = count; left > 0; left -= 1) {
      const fields = nameEnd(reply, at);
      const dataAt = fields + 10;
      const end = dataAt + reply.readUInt16BE(fields + 8);
      if (end > reply.length) return undefined;
      const type = reply.readUInt16BE(fields);
      const ttl = reply.readUInt32BE(fields + 4);
      records.push({ type, at: fields + 4, ttl, data: reply.subarray(dataAt, end) });
      at = end;
    }
    return records;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** After a name of labels, which may end in a pointer (RFC 1035 §4.1.4). */
function nameEnd(message: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) return at + 2;
    at += length + 1;
    if (length === 0) return at;
  }
}
