import assert from 'node:assert/strict';
import { request } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { ReviewMeter } from '#webhook/review-meter.ts';
import { parsePrometheusText } from '#test/support/prometheus-parser.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { servingKinds } from '#api/kinds.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { defaultSettings, type ServingSettings } from '#api/serving-config/config-maps.ts';
import { STEP_PATHS, startWebhookServer } from '#webhook/webhook-server.ts';
import { makeAuthority } from '#test/support/test-authority.ts';
import { at } from '#test/support/wire.ts';

const authority = makeAuthority();
const metrics = new Metrics();

interface Asked {
  readonly status: number | undefined;
  readonly body: string;
}

/** Sends each body, and returns what came back. */
async function ask(
  ...bodies: readonly (readonly [target: string, body: string | undefined])[]
): Promise<readonly Asked[]> {
  const { certificate, key } = authority.serverFor('127.0.0.1');
  const host = '127.0.0.1';
  const serving = (): ServingSettings => defaultSettings;
  const options = {
    tryPod,
    kinds: servingKinds,
    serving,
    certificate,
    key,
    host,
    port: 0,
    log: silentLog,
    meter: new ReviewMeter(metrics, new FakeClock()),
  };
  await using server = await startWebhookServer(options);
  return await Promise.all(
    bodies.map(async ([path, body]) => {
      const method = body === undefined ? 'GET' : 'POST';
      const ca = authority.certificate;
      const call = request({ host, port: server.port, path, method, ca, agent: false });
      call.on('error', () => undefined); // It may be answered before it is sent.
      call.end(body);
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      return { status: response.statusCode, body: await text(response) };
    }),
  );
}

function review(request: object): string {
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

const route = {
  uid: 'u1',
  operation: 'CREATE',
  kind: { group: 'serving.knative.dev', version: 'v1', kind: 'Route' },
  userInfo: { username: 'ann' },
  object: {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Route',
    metadata: { name: 'a', namespace: 'default' },
    spec: { traffic: [{ configurationName: 'a', percent: 90 }] },
  },
};

test('webhook: answers a review with a patch, or with what is wrong', async () => {
  const [defaulted, refused, deleted] = await ask(
    [STEP_PATHS.defaulting, review(route)],
    [`${STEP_PATHS.validation}?timeout=10s`, review(route)],
    [STEP_PATHS.validation, review({ ...route, operation: 'DELETE', object: null })],
  );
  const patch = String(at(JSON.parse(defaulted?.body ?? ''), 'response.patch'));
  const operations: unknown = JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
  assert.ok(Array.isArray(operations) && operations.length > 0);
  assert.deepEqual(at(JSON.parse(refused?.body ?? ''), 'response'), {
    uid: 'u1',
    allowed: false,
    status: {
      code: 400,
      reason: 'BadRequest',
      message: 'validation failed: Traffic targets sum to 90, want 100: spec.traffic',
    },
  });
  assert.deepEqual(at(JSON.parse(deleted?.body ?? ''), 'response'), { uid: 'u1', allowed: true });
});

/** What an API server says of a container that may not be called so. */
async function tryPod({ spec }: Pod): Promise<void> {
  const [container] = spec?.containers ?? [];
  if (container?.name === '&') throw new ApiError('Invalid', 'Pod "x" is invalid: a bad name');
  if (container?.name === 'odd') throw new ApiError('BadRequest', 'it does not support dry run');
}

test('webhook: by dry run the pods of a template are tried too', async () => {
  const tried = (name: string, dryRun: boolean): readonly [string, string] => {
    const kind = { ...route.kind, kind: 'Service' };
    const spec = { template: { spec: { containers: [{ name, image: 'i' }] } } };
    const traffic = [{ latestRevision: true, percent: 100 }];
    const object = { ...route.object, kind: 'Service', spec: { ...spec, traffic } };
    return [STEP_PATHS.validation, review({ ...route, kind, object, dryRun })];
  };
  const answers = await ask(
    tried('&', true),
    tried('&', false),
    tried('odd', true),
    tried('a', true),
  );
  const responses = answers.map(({ body }) => at(JSON.parse(body), 'response.allowed'));
  assert.deepEqual(responses, [false, true, true, true]);
  assert.equal(
    at(JSON.parse(answers[0]?.body ?? ''), 'response.status.message'),
    'validation callback failed: dry run failed with Pod "x" is invalid: a bad name: spec.template',
  );
});

test('webhook: what is no review of a kind of ours is refused in a sentence', async () => {
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const answers = await ask(
    ['/healthz', undefined],
    ['/', undefined],
    [STEP_PATHS.validation, undefined],
    [STEP_PATHS.validation, '{'],
    [STEP_PATHS.validation, 'null'],
    [STEP_PATHS.validation, review({ ...route, kind })],
    [STEP_PATHS.validation, 'x'.repeat(9 * 1024 * 1024)],
  );
  assert.deepEqual(
    answers.map(({ status, body }) => `${status} ${body.trim()}`),
    [
      '200 ok',
      '404 There is nothing at /',
      '405 A review is sent by POST',
      '400 The body is not JSON',
      '400 The body is no AdmissionReview with a request',
      '400 Nothing is known here of v1 Pod',
      '413 A review has at most 8388608 bytes',
    ],
  );
});

test('webhook: reviews are counted and timed, whatever they call themselves', async () => {
  const odd = { ...route, uid: 'u9', operation: 'BREW', subResource: 'nobody' };
  await ask([STEP_PATHS.defaulting, review(odd)]);
  const text = prometheusText(metrics, { name: 'webhook', version: '0', instance: 'x' });
  const found = parsePrometheusText(text).value('kn_webhook_handler_duration_seconds_count', {
    kn_webhook_type: 'defaulting',
    kn_webhook_resource_kind: 'Route',
    kn_webhook_subresource: 'other',
    kn_webhook_operation_type: 'other',
    kn_webhook_operation_status: 'success',
  });
  assert.equal(found, 1);
});
