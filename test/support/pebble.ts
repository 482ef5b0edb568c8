import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { choosePort } from '#supervisor/ports.ts';
import { startProgram } from '#test/support/program.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

/** Debian's `pebble`: an ACME server of the people who run the largest one, with names of the test's own. */
export interface Pebble extends AsyncDisposable {
  /** Of config-certmanager. */
  readonly settings: Readonly<Record<string, string>>;
  /** PEM: what it signs certificates by. */
  readonly root: string;
  /** Where the server looks for a host from now on; at this machine until told. */
  resolve(host: string, address: string): Promise<void>;
}

/** Challenges are looked at on `httpPort` of this machine, each after a second at most. */
export async function startPebble(httpPort: number): Promise<Pebble> {
  await using resources = new AsyncDisposableStack();
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-pebble-'));
  resources.defer(() => rmSync(folder, { recursive: true, force: true }));
  const port = async (): Promise<number> => await choosePort(0, 'a test');
  const [api, management, dns, dnsManagement] = [
    await port(),
    await port(),
    await port(),
    await port(),
  ];
  const authority = makeAuthority();
  const { certificate, key } = authority.serverFor('127.0.0.1');
  const at = (name: string, content: string): string => {
    writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };
  const pebble = {
    listenAddress: `127.0.0.1:${api}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: at('server.pem', certificate),
    privateKey: at('server-key.pem', key),
    httpPort,
    tlsPort: 1,
  };
  const names = ['pebble-challtestsrv', '-dns01', `127.0.0.1:${dns}`, '-defaultIPv6', ''];
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', ''];
  const zone = resources.use(
    await startProgram([...names, ...off, '-management', `127.0.0.1:${dnsManagement}`]),
  );
  await zone.says(/Starting management server/);
  const config = at('config.json', JSON.stringify({ pebble }));
  const server = resources.use(
    await startProgram(['pebble', '-config', config, '-dnsserver', `127.0.0.1:${dns}`], {
      ...process.env,
      PEBBLE_VA_SLEEPTIME: '1',
      // As often as its authors think that clients should be tried.
      PEBBLE_WFE_NONCEREJECT: '15',
      // Every order asks for its own proofs.
      PEBBLE_AUTHZREUSE: '0',
    }),
  );
  await server.says(/ACME directory available at/);
  const ca = authority.certificate;
  // It says so before it listens.
  await listening(() => https.get(`https://127.0.0.1:${api}/dir`, { ca, agent: false }));
  const root = await listening(() =>
    https.get(`https://127.0.0.1:${management}/roots/0`, { ca, agent: false }),
  );
  const owned = resources.move();
  return {
    settings: { 'acme-directory': `https://127.0.0.1:${api}/dir`, 'acme-roots': ca },
    root,
    async resolve(host, address) {
      // It would add to what there is.
      for (const [call, body] of [
        ['clear-a', { host: `${host}.` }],
        ['add-a', { host: `${host}.`, addresses: [address] }],
      ] as const) {
        const url = `http://127.0.0.1:${dnsManagement}/${call}`;
        const request = http.request(url, { method: 'POST', agent: false });
        request.end(JSON.stringify(body));
        await answered(request);
      }
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

const LISTENS_WITHIN_MS = 10_000;

/** The answer, once somebody listens. */
async function listening(ask: () => http.ClientRequest): Promise<string> {
  for (const deadlineMs = performance.now() + LISTENS_WITHIN_MS; ;) {
    try {
      return await answered(ask());
    } catch (error) {
      const isEarly = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
      if (!isEarly || performance.now() > deadlineMs) throw error;
    }
  }
}

async function answered(request: http.ClientRequest): Promise<string> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return await text(response);
}
