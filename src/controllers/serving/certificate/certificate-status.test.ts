import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import {
  certificateOutcome,
  type ObservedCertificate,
} from '#controllers/serving/certificate/certificate-status.ts';
import { failedOrder, newOrder } from '#controllers/serving/certificate/acme-order.ts';
import { summary } from '#test/support/serving-stage.ts';

const HOUR_MS = 60 * 60 * 1000;
const now = new Date('2026-01-01T00:00:00Z');
const at = (hours: number): Date => new Date(now.getTime() + hours * HOUR_MS);

const certificate: Certificate = {
  apiVersion: 'networking.internal.knative.dev/v1alpha1',
  kind: 'Certificate',
  metadata: { name: 'a', namespace: 'default', uid: 'u', generation: 1 },
  spec: { dnsNames: ['a.example.com'], secretName: 'a' },
};

const held = { issuer: 'x', notAfter: at(300), renewAt: at(200) };
const ended = { issuer: 'x', notAfter: at(-1), renewAt: at(-100) };
const challenges = [{ url: 'http://a.example.com/.well-known/acme-challenge/t' }];
const waiting = {
  waiting: { reason: 'Issuing', message: 'soon' },
  challenges,
  againAfterMs: 2_000,
};
const refusal = { refusal: { reason: 'RateLimited', message: 'no' }, againAfterMs: 400 * HOUR_MS };

test('certificate status: good ones are Ready whatever becomes of their renewal, and when to look again', () => {
  const cases: readonly [Omit<ObservedCertificate, 'now'>, object, number | undefined][] = [
    [{ held }, { Ready: 'True' }, 200 * HOUR_MS],
    [{ held: undefined, issuance: waiting }, { Ready: 'Unknown Issuing' }, 2_000],
    [{ held, issuance: waiting }, { Ready: 'True', Renewing: 'True Issuing' }, 2_000],
    // Its end is looked at too, which may come before the next attempt.
    [{ held, issuance: refusal }, { Ready: 'True', Renewing: 'True RateLimited' }, 300 * HOUR_MS],
    [{ held: ended, issuance: refusal }, { Ready: 'False RateLimited' }, 400 * HOUR_MS],
    [
      { held: undefined, issuance: { refusal: refusal.refusal } },
      { Ready: 'False RateLimited' },
      undefined,
    ],
  ];
  for (const [observed, conditions, againAfterMs] of cases) {
    const outcome = certificateOutcome(certificate, { now, ...observed });
    assert.deepEqual(summary(outcome.status?.conditions), conditions);
    assert.equal(outcome.againAfterMs, againAfterMs);
    const isAsked = observed.issuance !== undefined && 'waiting' in observed.issuance;
    assert.deepEqual(outcome.status?.http01Challenges, isAsked ? challenges : undefined);
  }
});

test('certificate status: what was said of a renewal goes with it', () => {
  const renewing = certificateOutcome(certificate, { now, held, issuance: waiting }).status;
  const status = { observedGeneration: 1, ...renewing };
  const after = certificateOutcome({ ...certificate, status }, { now: at(1), held }).status;
  assert.deepEqual(summary(after?.conditions), { Ready: 'True' });
});

test('acme order: each failure waits three times as long, the server longer still where it says so', () => {
  const failure = { now, reason: 'ChallengeFailed', message: 'nobody is there' };
  let order = newOrder(certificate, 'https://acme.test/dir');
  const { key } = order;
  const waits: number[] = [];
  for (let failures = 1; failures <= 10; failures += 1) {
    order = failedOrder({ ...order, url: 'https://acme.test/order/1' }, failure);
    assert.deepEqual([order.url, order.failures, order.key], [undefined, failures, key]);
    waits.push((Date.parse(order.notBefore ?? '') - now.getTime()) / 60_000);
  }
  assert.deepEqual(waits, [0.5, 1.5, 4.5, 13.5, 40.5, 121.5, 360, 360, 360, 360]);
  const later = failedOrder(order, { ...failure, retryAfterMs: 24 * HOUR_MS });
  assert.equal(later.notBefore, at(24).toISOString());
  const same = { ...order, url: 'https://acme.test/order/2' };
  assert.equal(failedOrder(same, { ...failure, goesOn: true }).url, same.url);
});
