// Runs inside of a container and says what it finds there: the tests of the runtime contract ask it. It has nothing but
// Node beside it, and nothing here is imported.
import { lookup } from 'node:dns/promises';
import {
  closeSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import { hostname } from 'node:os';
import { isatty } from 'node:tty';

/** What to look at, beside what is always told. */
interface Asked {
  readonly files?: readonly string[];
  readonly folders?: readonly string[];
  readonly values?: readonly string[];
  readonly names?: readonly string[];
}

let isFailing = false;
const checks = { liveness: 0, readiness: 0 };

/** What it comes to, or the code of why not. */
function attempt<T>(what: () => T): T | string {
  try {
    return what();
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

function fileAt(path: string): unknown {
  return attempt(() => {
    const found = statSync(path);
    return {
      isFolder: found.isDirectory(),
      isDevice: found.isCharacterDevice(),
      mode: (found.mode & 0o7777).toString(8),
      link: attempt(() => readlinkSync(path)),
    };
  });
}

function isFolderWritable(folder: string): boolean | string {
  return attempt(() => {
    const file = `${folder}/written-by-${process.pid}`;
    writeFileSync(file, 'x');
    unlinkSync(file);
    return true;
  });
}

function valueAt(path: string): unknown {
  return {
    text: attempt(() => readFileSync(path, 'utf8').trim()),
    isWritable: attempt(() => {
      closeSync(openSync(path, 'r+'));
      return true;
    }),
  };
}

async function look({ files = [], folders = [], values = [], names = [] }: Asked): Promise<object> {
  const addresses = names.map(async (name) => [
    name,
    await lookup(name).then(({ address }) => address, codeOf),
  ]);
  return {
    env: process.env,
    args: process.argv,
    ids: [process.getuid?.(), process.geteuid?.(), process.getgid?.()],
    cwd: process.cwd(),
    hostname: hostname(),
    terminals: [0, 1, 2].filter((descriptor) => isatty(descriptor)),
    // 0: the end, at once.
    stdin: attempt(() => readSync(0, Buffer.alloc(1), 0, 1, null)),
    files: Object.fromEntries(files.map((path) => [path, fileAt(path)])),
    folders: Object.fromEntries(folders.map((path) => [path, isFolderWritable(path)])),
    values: Object.fromEntries(values.map((path) => [path, valueAt(path)])),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
    names: Object.fromEntries(await Promise.all(addresses)) as Record<string, string>,
  };
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://container');
  const tell = (what: object): void => void response.end(JSON.stringify(what));
  const { method, httpVersion, headersDistinct } = request;
  switch (pathname) {
    case '/look':
      void look(JSON.parse(searchParams.get('what') ?? '{}') as Asked).then(tell);
      return;
    case '/request':
      tell({ method, httpVersion, headers: headersDistinct });
      return;
    case '/checks':
      tell(checks);
      return;
    case '/start-failing':
      isFailing = true;
      response.end();
      return;
    case '/liveness':
    case '/readiness':
      checks[pathname === '/liveness' ? 'liveness' : 'readiness'] += 1;
      response.statusCode = isFailing ? 500 : 200;
  }
  response.end('here');
});

if (process.argv[2] === 'probe') {
  // As the command of a probe: asks the program beside it.
  get({ port: process.env['PORT'], path: '/readiness' }, ({ statusCode }) =>
    process.exit(statusCode === 200 ? 0 : 1),
  ).once('error', () => process.exit(1));
} else {
  process.on('SIGTERM', () => {
    process.stdout.write('told to end\n');
    if (!process.env['IGNORES_TERM']) process.exit(0);
  });
  // A program may take a while until it listens.
  setTimeout(
    () => server.listen(Number(process.env['PORT']), () => process.stdout.write('listening\n')),
    Number(process.env['LISTEN_DELAY_MS'] ?? 0),
  );
}
