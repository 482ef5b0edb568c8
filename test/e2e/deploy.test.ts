import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '#test/support/image-fixture.ts';
import { call, type Platform, run, startPlatform } from '#test/support/platform.ts';

function write(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

async function deploy(
  platform: Platform,
  name: string,
  ...source: readonly string[]
): Promise<string> {
  const { code, stdout, stderr } = await platform.knode('deploy', name, '--source', ...source);
  assert.equal(code, 0, stderr);
  return stdout.trim();
}

const NODE_PROGRAM = `
import { createServer } from 'node:http';
import { greeting } from 'greetings';
createServer((_, response) => response.end(greeting())).listen(Number(process.env.PORT));
process.once('SIGTERM', () => process.exit());
`;

const PYTHON_PROGRAM = `
import os, signal, ssl, sqlite3, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from greetings import greeting

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        row = sqlite3.connect(":memory:").execute("select ?", (greeting(),)).fetchone()
        self.wfile.write(f"{row[0]} {os.getuid()} {bool(ssl.OPENSSL_VERSION)}".encode())

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`;

test('deploy: folders of Node, of Python and of files answer', async () => {
  await using platform = await startPlatform();
  await using folder = await temporaryFolder();
  const at = (name: string): string => path.join(folder.path, name);

  const node = write(at('node'), {
    'package.json': '{"type":"module","main":"start.js","dependencies":{"greetings":"1"}}',
    'start.js': NODE_PROGRAM,
    'node_modules/greetings/package.json': '{"type":"module","main":"main.js"}',
    'node_modules/greetings/main.js': 'export const greeting = () => "hello from node";',
  });
  const fromNode = await deploy(platform, 'node', node);
  assert.equal((await call(fromNode)).body, 'hello from node');

  const asked = await run(['python3', '-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
  const packages = `.venv/lib/python${asked.stdout.trim()}/site-packages`;
  const python = write(at('python'), {
    'requirements.txt': 'greetings==1\n',
    'app.py': PYTHON_PROGRAM,
    [`${packages}/greetings/__init__.py`]: 'def greeting():\n    return "hello from python"\n',
  });
  const fromPython = await deploy(platform, 'python', python);
  assert.equal((await call(fromPython)).body, 'hello from python 65532 True');

  const pages = write(at('pages'), {
    'index.html': '<h1>first</h1>',
    'docs/index.html': '<h1>docs</h1>',
    '.env': 'SECRET=1',
    'notes.txt': 'left out',
    '.dockerignore': '*.txt\n',
  });
  const fromPages = await deploy(platform, 'pages', pages);
  assert.equal((await call(fromPages)).body, '<h1>first</h1>');
  assert.equal((await call(fromPages, '/docs/')).body, '<h1>docs</h1>');
  for (const absent of ['/.env', '/notes.txt', '/%2e%2e/etc/passwd'])
    assert.equal((await call(fromPages, absent)).status, 404, absent);
  // A changed folder is a new revision.
  write(pages, { 'index.html': '<h1>second</h1>' });
  await deploy(platform, 'pages', pages);
  assert.equal((await call(fromPages)).body, '<h1>second</h1>');

  // An image of a registry takes the place of this machine's Node.
  const service = JSON.parse(await platform.ok(['get', 'ksvc', 'node', '-o', 'json'])) as {
    spec: { template: { spec: { containers: [{ image: string }] } } };
  };
  const base = service.spec.template.spec.containers[0].image;
  const onBase = await deploy(platform, 'on-base', pages, '--base', base);
  assert.equal((await call(onBase)).body, '<h1>second</h1>');
  const alone = await platform.knode('deploy', 'none', '--image', base, '--base', base);
  assert.match(alone.stderr, /Cannot use --base alone/);

  const neither = await platform.knode('deploy', 'none');
  assert.equal(neither.code, 1);
  assert.match(neither.stderr, /--image or a folder with --source/);
  const refused = await platform.knode('deploy', 'none', '--source', at('nowhere'));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^knode: source .*nowhere: wanted a folder$/m);
});
