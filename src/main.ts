import { ApiError } from '#api/meta/api-error.ts';
import { restartWithoutStripper } from '#base/type-stripper.ts';
import { invocationOf } from '#cli/invocation.ts';
import { createProgram } from '#cli/program.ts';
import { UserError } from '#cli/terminal.ts';
import { ImageError } from '#images/image.ts';
import { SupervisorSilent } from '#supervisor/ask-supervisor.ts';
import { PortTaken } from '#supervisor/ports.ts';
import { homeOf } from '#supervisor/settings.ts';
import { CannotStart } from '#supervisor/supervisor.ts';

/** What a person can act on; anything else is a bug, and its stack is shown. */
const EXPECTED = [UserError, CannotStart, PortTaken, SupervisorSilent, ApiError, ImageError];

// Whoever reads may have seen enough: `knode status | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

const [role, part, ...flags] = process.argv.slice(2);
try {
  if (role === 'run') await runPart(part, flags);
  else await runCommandLine();
} catch (error) {
  const isExpected = EXPECTED.some((expected) => error instanceof expected);
  const text =
    isExpected && error instanceof Error ? `knode: ${error.message}` : describeBug(error);
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

async function runCommandLine(): Promise<void> {
  const self = [process.execPath, ...process.execArgv, import.meta.filename] as const;
  await createProgram(invocationOf(self, process.env)).parseAsync();
}

/** One process of the platform. Each imports its own graph only: memory is counted. */
async function runPart(name: string | undefined, args: readonly string[]): Promise<void> {
  const run = await loadPart(name);
  restartWithoutStripper(process.env);
  await run(homeOf(process.env), args);
}

const PARTS = 'control, gateway, controllers, webhook or wipe';

type RunPart = (home: string, args: readonly string[]) => Promise<void>;

async function loadPart(name: string | undefined): Promise<RunPart> {
  switch (name) {
    case 'control':
      return (await import('#processes/control.ts')).runControl;
    case 'gateway':
      return (await import('#processes/gateway.ts')).runGateway;
    case 'controllers':
      return (await import('#processes/controllers.ts')).runControllersPart;
    case 'webhook':
      return (await import('#processes/webhook.ts')).runWebhook;
    case 'wipe':
      return (await import('#processes/wipe.ts')).runWipe;
    case undefined:
    default:
      throw new UserError(`Cannot run ${name ?? 'nothing'}: wanted ${PARTS}`);
  }
}

function describeBug(error: unknown): string {
  return error instanceof Error
    ? `knode: ${error.stack ?? error.message}`
    : `knode: ${String(error)}`;
}
