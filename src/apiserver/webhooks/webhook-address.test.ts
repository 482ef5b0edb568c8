import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { refusalOf } from '#apiserver/webhooks/webhook-address.ts';

const OWN_PORT = 6443;
const ownPorts = new Set([OWN_PORT]);

test('webhook addresses: metadata services, no single machine, and our own listeners are not called', () => {
  const never = [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    'fe80::1',
    'fd00:ec2::254',
    '0.0.0.0',
    '::',
    '::ffff:0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
  ];
  for (const address of never) {
    assert.match(refusalOf(address, 443, ownPorts) ?? '', /reserved/, address);
  }
  const here = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const own = ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'];
  // What is link-local of this machine's own is refused for that.
  const mine = here.map(({ address }) => address).filter((each) => !/^(fe80|169\.254)/.test(each));
  for (const address of [...own, ...mine]) {
    assert.match(refusalOf(address, OWN_PORT, ownPorts) ?? '', /platform itself/, address);
    assert.equal(refusalOf(address, 9443, ownPorts), undefined, address);
  }
  for (const address of ['198.51.100.1', '192.0.2.1', '2001:db8::1']) {
    assert.equal(refusalOf(address, OWN_PORT, ownPorts), undefined, address);
  }
});
