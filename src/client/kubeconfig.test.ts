import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { KubeconfigError, mergeKubeconfig, parseKubeconfig } from '#client/kubeconfig.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const OURS = `
apiVersion: v1
kind: Config
clusters: [{ name: knode, cluster: { server: 'https://127.0.0.1:6443', certificate-authority-data: ${base64('CA')} } }]
users: [{ name: knode, user: { client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')} } }]
contexts: [{ name: knode, context: { cluster: knode, user: knode, namespace: team } }]
current-context: knode
`;

const THEIRS = `# mine, keep it
apiVersion: v1
kind: Config
clusters:
  - name: prod
    cluster: { server: https://prod.example.com/k8s, certificate-authority: ca.pem } # far away
  - name: knode
    cluster: { server: https://old.example.com }
users:
  - name: prod
    user: { tokenFile: token.txt }
contexts:
  - name: prod
    context: { cluster: prod, user: prod }
current-context: prod
preferences: { colors: true }
`;

test('kubeconfig: says where the cluster is and as whom to come', () => {
  assert.deepEqual(parseKubeconfig(OURS), {
    server: 'https://127.0.0.1:6443',
    namespace: 'team',
    ca: 'CA',
    certificate: { cert: 'CERT', key: 'KEY' },
  });
});

test('kubeconfig: files that it names are read, a token each time', () => {
  let reads = 0;
  const readFile = (path: string): string => {
    reads += 1;
    return `content of ${path}\n`;
  };
  const { token, ...rest } = parseKubeconfig(THEIRS, { readFile });
  assert.deepEqual(rest, {
    server: 'https://prod.example.com/k8s',
    namespace: 'default',
    ca: 'content of ca.pem\n',
  });
  assert.equal(token?.(), 'content of token.txt');
  assert.equal(token(), 'content of token.txt');
  assert.equal(reads, 3);
});

test('kubeconfig: what is missing or not understood is named', () => {
  const check = (text: string, message: RegExp): void =>
    assert.throws(
      () => parseKubeconfig(text),
      (error) => error instanceof KubeconfigError && message.test(error.message),
    );
  check('', /not a map/);
  check('{', /not YAML/);
  check('a: 1', /no current-context/);
  check('current-context: x', /"x" is not among its contexts/);
  check(OURS.replace('user: knode,', 'user: nobody,'), /"nobody" is not among its users/);
  check(OURS.replace('client-key-data', 'exec: { command: aws }, client-key-data'), /exec/);
  check(THEIRS, /certificate-authority: found a file/);
});

test('kubeconfig: merging replaces what is ours and keeps what is not', () => {
  const merged = mergeKubeconfig(THEIRS, OURS);
  assert.match(merged, /^# mine, keep it/);
  assert.match(merged, /# far away/);
  const { clusters, users, contexts, ...rest } = parse(merged) as Record<string, unknown[]>;
  const names = (list: unknown[] = []): unknown[] =>
    list.map((entry) => (entry as { name: unknown }).name);
  assert.deepEqual(names(clusters), ['prod', 'knode']);
  assert.deepEqual(names(users), ['prod', 'knode']);
  assert.deepEqual(names(contexts), ['prod', 'knode']);
  assert.deepEqual(rest['current-context'], 'knode');
  assert.deepEqual(rest['preferences'], { colors: true });
  assert.equal(parseKubeconfig(merged).server, 'https://127.0.0.1:6443');
  assert.equal(mergeKubeconfig(merged, OURS), merged);
  assert.equal(mergeKubeconfig(undefined, OURS), OURS);
  assert.throws(() => mergeKubeconfig('- a list', OURS), KubeconfigError);
});
