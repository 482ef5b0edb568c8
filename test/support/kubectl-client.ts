import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { stringify } from 'yaml';
import type { Pod } from '#api/core-v1/pod.ts';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { run, type Outcome, type Platform } from '#test/support/platform.ts';
import { TOOLS_ENV } from '#test/support/sample-image.ts';

/** Looking again and again ends, with what was seen, before the test does. */
const LOOK_MS = 50_000;

/** A kubectl as a person has it, and what people do with it all day: a current one, or one of 2021. */
export class KubectlClient {
  readonly name: 'now' | 'old';
  readonly #platform: () => Platform;

  constructor(name: KubectlClient['name'], platform: () => Platform) {
    this.name = name;
    this.#platform = platform;
  }

  /** Of objects that each client has of its own. */
  own(name: string): string {
    return `${name}-${this.name}`;
  }

  async run(args: readonly string[], input?: string): Promise<Outcome> {
    const { kubectlEnv: env } = this.#platform();
    return await run([this.#program(), ...args], { env, ...(input !== undefined && { input }) });
  }

  /** What it prints; fails where it does. */
  async ok(args: readonly string[], input?: string): Promise<string> {
    const outcome = await this.run(args, input);
    assert.equal(outcome.code, 0, `kubectl (${this.name}) ${args.join(' ')}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /** The same, as bytes that need not be text. */
  async bytes(args: readonly string[]): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const options = {
      env: this.#platform().kubectlEnv,
      encoding: 'buffer',
      maxBuffer: 2 ** 26,
    } as const;
    execFile(this.#program(), args, options, (error, stdout) =>
      error ? reject(error) : resolve(stdout),
    );
    return await promise;
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.ok(['apply', '-f', '-'], objects.map((object) => stringify(object)).join('---\n'));
  }

  /** Asks until it is as wanted: the world follows objects within moments. */
  async until(look: () => Promise<string>, wanted: RegExp): Promise<string> {
    const deadline = AbortSignal.timeout(LOOK_MS);
    for (;;) {
      const found = await look();
      if (wanted.test(found)) return found;
      assert.ok(!deadline.aborted, `the last answer was ${found}, not ${wanted}`);
    }
  }

  /** The pod once it is so; each look waits for its end, or a second. */
  async podOnce(
    name: string,
    isTrue: (status: NonNullable<Pod['status']>) => boolean,
  ): Promise<Pod> {
    const deadline = AbortSignal.timeout(LOOK_MS);
    for (;;) {
      const found = JSON.parse(await this.ok(['get', 'pod', name, '-o', 'json'])) as Pod;
      if (isTrue(found.status ?? {})) return found;
      const status = JSON.stringify(found.status, undefined, 1);
      assert.ok(!deadline.aborted, `${name} did not get there: ${status}`);
      await this.run(['wait', '--for=delete', `pod/${name}`, '--timeout=1s']);
    }
  }

  /** What a pod's script printed by its end, which has to be a good one. */
  async said(name: string, container = 'main'): Promise<string> {
    const found = await this.podOnce(name, ({ phase = '' }) => /Succeeded|Failed/.test(phase));
    const text = await this.ok(['logs', name, '-c', container]);
    assert.equal(found.status?.phase, 'Succeeded', `${text} ${JSON.stringify(found.status)}`);
    return text;
  }

  #program(): string {
    return this.name === 'old' ? oldKubectl() : this.#platform().kubectlProgram;
  }
}

type Check = (client: KubectlClient) => Promise<void>;

/** The current one first. */
export function kubectlClients(
  platform: () => Platform,
): readonly [now: KubectlClient, old: KubectlClient] {
  return [new KubectlClient('now', platform), new KubectlClient('old', platform)];
}

/** `every(title, check)` declares a test with each of the clients. */
export function byEveryKubectl(
  subject: string,
  platform: () => Platform,
): (title: string, check: Check) => void {
  return (title, check) => {
    for (const client of kubectlClients(platform))
      test(`${subject} by kubectl (${client.name}): ${title}`, async () => await check(client));
  };
}

/** The same in one test where most of the time nothing but time passes. */
export function byAllKubectls(
  subject: string,
  platform: () => Platform,
): (title: string, check: Check) => void {
  return (title, check) => {
    test(`${subject} by kubectl (now and old): ${title}`, async () => {
      await Promise.all(kubectlClients(platform).map(check));
    });
  };
}

export interface AskedPod {
  readonly script: string;
  readonly container?: object;
  readonly spec?: object;
  readonly metadata?: object;
}

/** A pod of `toolsImage` that runs a script once. */
export function scriptPod(
  image: string,
  name: string,
  { script, container, spec, metadata }: AskedPod,
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      containers: [scriptContainer(image, 'main', { script, ...container })],
      ...spec,
    },
  };
}

/** A container of it; what is given beside the script is the container's own. */
export function scriptContainer(
  image: string,
  name: string,
  { script, ...rest }: { readonly script: string; readonly [field: string]: unknown },
): object {
  return { name, image, env: TOOLS_ENV, command: ['sh', '-c', script], ...rest };
}
