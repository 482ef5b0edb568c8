import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { Random } from '#base/random.ts';
import type { ClusterNames } from './cluster-names.ts';
import type { Asker, Forwarder, Via } from './forwarder.ts';
import { answerFromZone, startOfAuthority, type ZoneAnswer } from './zone.ts';

export interface ResolverOptions {
  readonly names: ClusterNames;
  readonly domain: string;
  readonly forwarder: Forwarder;
  readonly random: Random;
}

const rcodes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4 } as const;
const HEADER_BYTES = 12;
/** RFC 1035 §4.2.1: without EDNS. */
const UDP_BYTES_MIN = 512;
/** What passes every path unfragmented; more is asked for again over TCP. */
const UDP_BYTES_MAX = 1232;
const RESPONSE_BIT = 0x80;
const OPCODE_BITS = 0x78;

/** From one query's bytes to its answer's; undefined where no answer is the answer. */
export class Resolver {
  readonly #options: ResolverOptions;

  constructor(options: ResolverOptions) {
    this.#options = options;
  }

  async resolve(query: Buffer, asker: Asker): Promise<Buffer | undefined> {
    // A response answered would make two servers talk to each other for ever.
    if (query.length < HEADER_BYTES || ((query[2] ?? 0) & RESPONSE_BIT) !== 0) return undefined;
    if (((query[2] ?? 0) & OPCODE_BITS) !== 0) return bareReply(query, rcodes.notImp);
    const packet = decodeQuery(query);
    const question = packet?.questions?.[0];
    if (!packet || !question || packet.questions?.length !== 1) {
      return bareReply(query, rcodes.formErr);
    }
    const name = question.name.toLowerCase().replace(/\.$/, '');
    const { names, domain, forwarder } = this.#options;
    const answer = answerFromZone({ name, type: question.type }, { names, domain });
    if (answer === 'elsewhere') {
      return (await forwarder.forward(query, asker)) ?? failureReply(packet);
    }
    const answers = [...answer.answers, ...(await this.#continued(answer, { question, asker }))];
    return fitted(replyTo(packet, { ...answer, answers }, domain), { packet, via: asker.via });
  }

  /** A CNAME that leads out of the cluster is followed for the client: most ask nothing twice. */
  async #continued(
    { continueAt }: Exclude<ZoneAnswer, 'elsewhere'>,
    {
      question: { type },
      asker: { address },
    }: { readonly question: Question; readonly asker: Asker },
  ): Promise<readonly Answer[]> {
    if (continueAt === undefined) return [];
    const query = encode({
      type: 'query',
      id: Math.floor(this.#options.random.fraction() * 65_536),
      flags: RECURSION_DESIRED,
      questions: [{ name: continueAt, type }],
    });
    const reply = await this.#options.forwarder.forward(query, { via: 'udp', address });
    return (reply && decodeQuery(reply)?.answers) ?? [];
  }
}

function decodeQuery(bytes: Buffer): Packet | undefined {
  try {
    return decode(bytes);
  } catch {
    // Whatever is wrong with it, its sender gets FORMERR or, for a reply, it counts as none.
    return undefined;
  }
}

function replyTo(query: Packet, answer: Exclude<ZoneAnswer, 'elsewhere'>, domain: string): Packet {
  const rcode = answer.exists ? rcodes.noError : rcodes.nxDomain;
  const isEmpty = answer.answers.length === 0;
  return {
    type: 'response',
    id: query.id ?? 0,
    flags: replyFlags(query) | AUTHORITATIVE_ANSWER | rcode,
    questions: query.questions ?? [],
    answers: [...answer.answers],
    authorities: isEmpty ? [startOfAuthority(domain)] : [],
    additionals: [...(answer.additionals ?? []), ...optOf(query)],
  };
}

/** RFC 6891 §7: an OPT record for an OPT record. */
function optOf(query: Packet): Answer[] {
  const asked = query.additionals?.some(({ type }) => type === 'OPT') ?? false;
  if (!asked) return [];
  const opt = { extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
  return [{ type: 'OPT', name: '.', udpPayloadSize: UDP_BYTES_MAX, ...opt }];
}

/** RFC 2181 §9: what does not fit is left out and said to be; the client asks again over TCP. */
function fitted(reply: Packet, { packet, via }: { packet: Packet; via: Via }): Buffer {
  const bytes = encode(reply);
  if (via === 'tcp' || bytes.length <= udpLimit(packet)) return bytes;
  return encode({
    ...reply,
    flags: (reply.flags ?? 0) | TRUNCATED_RESPONSE,
    answers: [],
    authorities: [],
    additionals: optOf(packet),
  });
}

function udpLimit(query: Packet): number {
  const opt = query.additionals?.find((record) => record.type === 'OPT');
  const asked = opt?.type === 'OPT' ? (opt.udpPayloadSize ?? 0) : 0;
  return Math.max(UDP_BYTES_MIN, Math.min(UDP_BYTES_MAX, asked));
}

function replyFlags(query: Packet): number {
  return RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED);
}

/** With the question: resolvers take an answer without one for somebody else's, and wait on. */
function failureReply(query: Packet): Buffer {
  return encode({
    type: 'response',
    id: query.id ?? 0,
    flags: replyFlags(query) | rcodes.servFail,
    questions: query.questions ?? [],
    additionals: optOf(query),
  });
}

/** The query's header as a reply that says `rcode` and nothing else. */
function bareReply(query: Buffer, rcode: number): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  query.copy(reply, 0, 0, 3);
  reply[2] = (reply[2] ?? 0) | RESPONSE_BIT;
  reply[3] = RECURSION_AVAILABLE | rcode;
  return reply;
}
