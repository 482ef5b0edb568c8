import { readFileSync } from 'node:fs';
import type { Client } from '#client/client.ts';
import { pathsOf } from '#supervisor/settings.ts';
import type { Invocation } from './program.ts';
import { UserError } from './terminal.ts';
