import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { rootCertificates } from 'node:tls';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { TRUST_BUNDLE, TRUST_KEY } from '#api/networking-v1alpha1/networking-keys.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { Client } from '#client/client.ts';
import { connect } from './cluster.ts';
import type { Invocation } from './invocation.ts';
import { print, UserError } from './terminal.ts';

export interface CurlCall {
  readonly name: string;
  readonly path: string;
  readonly namespace: string;
  readonly request: string;
  readonly data?: string;
  readonly header: readonly string[];
  readonly include?: boolean;
}

export async function curl(invocation: Invocation, call: CurlCall): Promise<void> {
  await using cluster = connect(invocation);
  const ref = { namespace: call.namespace, name: call.name };
  const service = await cluster.client.get(Service, ref);
  if (!service) {
    throw new UserError(`Cannot find Service ${call.name} in namespace ${call.namespace}`);
  }
  const url = service.status?.url;
  if (!url) throw new UserError(`Service ${call.name} has no URL yet; 'knode list' says why`);
  const response = await callGateway(url, cluster.client, {
    path: call.path,
    method: call.data !== undefined && call.request === 'GET' ? 'POST' : call.request,
    headers: Object.fromEntries(call.header.map(splitHeader)),
    ...(call.data !== undefined && { body: call.data }),
  });
  if (call.include) {
    print(`HTTP/${response.httpVersion} ${response.statusCode} ${response.statusMessage}`);
    for (const [name, values] of Object.entries(response.headersDistinct)) {
      for (const value of values ?? []) print(`${name}: ${value}`);
    }
    print();
  }
  await pipeline(response, process.stdout, { end: false });
  if ((response.statusCode ?? 500) >= 500) process.exitCode = 1;
}

export interface GatewayCall {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Calls a Service's URL through the gateway on this machine, whatever the machine's resolver knows of the name. */
export async function callGateway(
  url: string,
  client: Client,
  { path = '/', method = 'GET', headers = {}, body }: GatewayCall = {},
): Promise<http.IncomingMessage> {
  const { protocol, hostname, host, port } = new URL(url);
  const call = { host: '127.0.0.1', path, method, headers: { ...headers, host }, agent: false };
  const request =
    protocol === 'https:'
      ? https.request({
          ...call,
          port: port === '' ? 443 : Number(port),
          servername: hostname,
          ca: [...rootCertificates, ...(await ownAuthority(client))],
        })
      : http.request({ ...call, port: port === '' ? 80 : Number(port) });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return response;
}

/** Whom the cluster signs its own certificates by. */
async function ownAuthority(client: Client): Promise<readonly string[]> {
  const bundle = await client.get(ConfigMap, TRUST_BUNDLE);
  const authority = bundle?.data?.[TRUST_KEY];
  return authority === undefined ? [] : [authority];
}

function splitHeader(line: string): [string, string] {
  const at = line.indexOf(':');
  if (at < 1) throw new UserError(`Cannot read --header ${line}: wanted "Name: value"`);
  return [line.slice(0, at), line.slice(at + 1).trim()];
}
