import { createRequire } from 'node:module';
import type * as Cel from '@bufbuild/cel';
import type * as CelExtensions from '@bufbuild/cel/ext';

const require = createRequire(import.meta.url);

/** The evaluator, loaded with the first expression: it takes 30 MB and a tenth of a second that most clusters never need. */
export function celLibrary(): typeof Cel {
  return require('@bufbuild/cel') as typeof Cel;
}

export function celStrings(): (typeof CelExtensions)['strings'] {
  return (require('@bufbuild/cel/ext') as typeof CelExtensions).strings;
}
