import assert from 'node:assert/strict';
import { test } from 'node:test';
import { servingUnderTest } from '#test/support/serving-under-test.ts';
import { at } from '#test/support/wire.ts';

/** What the runtime contract says that nobody may ask for (serving specification §6.1): refused, each by its field. */
const image = 'registry.example.com/hello';
const mounted = (rest: object): object => ({
  containers: [{ image, volumeMounts: [{ name: 'v', mountPath: '/v', ...rest }] }],
  volumes: [{ name: 'v', emptyDir: {} }],
});
const one = (rest: object): object => ({ containers: [{ image, ...rest }] });

const cases: readonly (readonly [string, object, RegExp])[] = [
  [
    'a port of another name',
    one({ ports: [{ name: 'arbitrary', containerPort: 8080 }] }),
    /Port name arbitrary is not allowed: spec\.template\.spec\.containers\[0\]\.ports/,
  ],
  [
    'several ports',
    one({ ports: [{ containerPort: 80 }, { containerPort: 81 }] }),
    /more than one container port is set: spec\.template\.spec\.containers\[\*\]\.ports/,
  ],
  [
    'a port of the machine',
    one({ ports: [{ containerPort: 8081, hostPort: 80 }] }),
    /must not set the field\(s\): spec\.template\.spec\.containers\[0\]\.ports\.hostPort/,
  ],
  [
    'a reserved port',
    one({ ports: [{ containerPort: 8012 }] }),
    /invalid value: 8012 is a reserved port: spec\.template\.spec\.containers\[0\]\.ports\.containerPort/,
  ],
  [
    'mounts of others',
    mounted({ mountPropagation: 'HostToContainer' }),
    /must not set the field\(s\): spec\.template\.spec\.containers\[0\]\.volumeMounts\[0\]\.mountPropagation/,
  ],
  [
    'a user below none',
    one({ securityContext: { runAsUser: -10 } }),
    /expected 0 <= -10 <= 2147483647: spec\.template\.spec\.containers\[0\]\.securityContext\.runAsUser/,
  ],
  [
    'a program in a folder of the kernel',
    { ...mounted({}), containers: [{ image, volumeMounts: [{ name: 'v', mountPath: '/dev' }] }] },
    /mountPath "\/dev" is a reserved path: spec\.template\.spec\.containers\[0\]\.volumeMounts\[0\]\.mountPath/,
  ],
  [
    'variables of the platform',
    one({ env: [{ name: 'PORT', value: '1' }] }),
    /"PORT" is a reserved environment variable: spec\.template\.spec\.containers\[0\]\.env\[0\]\.name/,
  ],
  [
    'the name of what stands before it',
    one({ name: 'queue-proxy' }),
    /"queue-proxy" is a reserved container name: spec\.template\.spec\.containers\[0\]\.name/,
  ],
  [
    'a service account that cannot be',
    { ...one({}), serviceAccountName: 'Ünder' },
    /invalid value: Ünder: spec\.template\.spec\.serviceAccountName/,
  ],
];

for (const [what, spec, expected] of cases) {
  test(`runtime contract: nobody gets ${what}`, async () => {
    const { send, namespace } = await servingUnderTest();
    const target = `/apis/serving.knative.dev/v1/namespaces/${await namespace()}/services`;
    const { status, body } = await send('POST', target, {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name: 'wants' },
      spec: { template: { spec } },
    });
    assert.equal(status, 400, JSON.stringify(body));
    assert.match(
      String(at(body, 'message')),
      /^admission webhook "validation\.webhook\.serving\.knative\.dev" denied the request: validation failed: /,
    );
    assert.match(String(at(body, 'message')), expected);
  });
}

const hook = { exec: { command: ['true'] } };
for (const [field, value] of Object.entries({
  lifecycle: { postStart: hook, preStop: hook },
  stdin: true,
  stdinOnce: true,
  tty: true,
  volumeDevices: [{ name: 'v', devicePath: '/dev/v' }],
})) {
  test(`runtime contract: ${field} of a container is dropped, and told`, async () => {
    const { send, namespace } = await servingUnderTest();
    const target = `/apis/serving.knative.dev/v1/namespaces/${await namespace()}/services`;
    const { status, body, headers } = await send('POST', target, {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name: 'wants' },
      spec: { template: { spec: one({ [field]: value }) } },
    });
    assert.equal(status, 201, JSON.stringify(body));
    const container = at(body, 'spec.template.spec.containers.0') as Record<string, unknown>;
    assert.equal(container['image'], image);
    assert.equal(container[field], undefined);
    const told = `unknown field \\"spec.template.spec.containers[0].${field}`;
    assert.ok(headers['warning']?.includes(told), String(headers['warning']));
  });
}
