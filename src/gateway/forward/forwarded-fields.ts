import { type AppendedFields, withoutFields } from '../route/appended-fields.ts';
import type { Exchange } from '../connection/exchange.ts';
import { CHUNKED } from '../http1/framing.ts';
import type { RequestHead } from '../http1/request-head.ts';
import type { ResponseHead } from '../http1/response-head.ts';

/** RFC 9110 §7.6.1: what is about one connection and not about the message; and Host, which is written anew. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'te',
  'upgrade',
  'http2-settings',
  'host',
]);

/** Said by the platform to itself; from a client they are spoofed (serving specification §5.1). */
const PLATFORM_FIELDS = [
  'k-kubelet-probe',
  'k-network-hash',
  'k-network-probe',
  'k-original-host',
  'k-passthrough-lb',
  'k-proxy-request',
];

/** Which revision is meant: for the gateway, never for the revision. */
const REVISION_FIELDS = ['knative-serving-namespace', 'knative-serving-revision'];

const platformNames = new Set([...PLATFORM_FIELDS, ...REVISION_FIELDS]);
const dropped = new Set([...HOP_BY_HOP, ...platformNames]);

/** Protocols that a server changes to within HTTP/1.1; h2c would carry requests past this gateway's eyes. */
const UPGRADES_REFUSED = /(^|,)\s*(h2c?|HTTP\/2(\.0)?|TLS\/)/i;

export interface Onward {
  readonly host: string;
  readonly append: AppendedFields;
  /** Instead of what the client says; its own passes where absent. */
  readonly traceParent?: string;
}

/** A route's fields are the same objects for all its requests: what is left of them is found once. */
const leftForRevision = new WeakMap<AppendedFields, AppendedFields>();

/** What a route sets without what is only said between parts of the platform: for a revision's own eyes. */
export function fieldsForRevision(append: AppendedFields): AppendedFields {
  let left = leftForRevision.get(append);
  if (!left) {
    left = withoutFields(append, platformNames);
    leftForRevision.set(append, left);
  }
  return left;
}

/** The head of the request as the pod gets it. Fields go as they came, but for those that are not the client's to say. */
export function requestHeadText(exchange: Exchange, { host, append, traceParent }: Onward): string {
  const { head } = exchange;
  const { fields } = head;
  const isForwarded = isForwardedAlready(exchange);
  let text = `${head.method} ${head.target} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (let index = 0; index < fields.length; index += 1) {
    const name = fields.names[index] ?? '';
    if (dropped.has(name) || append.values.has(name) || head.connection?.includes(name)) continue;
    if (!isForwarded && (name === 'forwarded' || name.startsWith('x-forwarded-'))) continue;
    if (traceParent !== undefined && name === 'traceparent') continue;
    text += fields.line(index);
  }
  if (!isForwarded) text += forwardedText(exchange);
  if (traceParent !== undefined) text += `traceparent: ${traceParent}\r\n`;
  text += append.text;
  if (head.bodyLength === CHUNKED) text += 'transfer-encoding: chunked\r\n';
  const upgrade = upgradeOf(head);
  if (upgrade !== undefined) text += `connection: upgrade\r\nupgrade: ${upgrade}\r\n`;
  return `${text}\r\n`;
}

/** Another ingress before our trusted door has said already whom it speaks for. */
function isForwardedAlready({ head, connection }: Exchange): boolean {
  if (connection.door !== 'backend') return false;
  return head.fields.names.includes('forwarded') || head.fields.names.includes('x-forwarded-for');
}

/** The protocol that the pod may change to, if the client asks for one. */
export function upgradeOf(head: RequestHead): string | undefined {
  const { upgrade } = head;
  return upgrade === undefined || UPGRADES_REFUSED.test(upgrade) ? undefined : upgrade;
}

/** The head of a response as the client gets it, up to the field that says how its body is framed. */
export function responseHeadText(head: ResponseHead): string {
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  const { fields } = head;
  for (let index = 0; index < fields.length; index += 1) {
    const name = fields.names[index] ?? '';
    if (HOP_BY_HOP.has(name) || head.connection?.includes(name)) continue;
    text += fields.line(index);
  }
  return text;
}

/** RFC 7239 and its older kin; an IPv6 address is quoted and in brackets (§6). */
function forwardedText({ head, connection }: Exchange): string {
  const { peerAddress, scheme } = connection;
  const node = peerAddress.includes(':') ? `"[${peerAddress}]"` : peerAddress;
  const { authority } = head;
  const host = authority.includes(':') || authority.includes('[') ? `"${authority}"` : authority;
  return (
    `x-forwarded-for: ${peerAddress}\r\nx-forwarded-proto: ${scheme}\r\n` +
    `x-forwarded-host: ${authority}\r\nforwarded: for=${node};host=${host};proto=${scheme}\r\n`
  );
}
