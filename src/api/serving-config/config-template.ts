import { type GoTemplate, GoTemplateError, parseGoTemplate } from '#base/go-template.ts';
import { ConfigError } from '#api/serving-config/config-key.ts';

interface Trial {
  /** Upstream's name of the template, which it says where it cannot read one. */
  readonly called: string;
  /** What it is tried with, so that a wrong one is refused when it is written. */
  readonly sample: Parameters<GoTemplate['execute']>[0];
  /** What is said where the trial fails; as the template says it itself unless told. */
  readonly wrong?: (why: string) => string;
}

/** Throws ConfigError where the text is no template, or where none could be made of what it is for. */
export function triedTemplate(text: string, { called, sample, wrong }: Trial): GoTemplate {
  const parsed = orRefused(
    () => parseGoTemplate(text),
    (why) => why.replace(/^template: /, `template: ${called}:1: `),
  );
  orRefused(
    () => parsed.execute(sample),
    (why) => {
      const told = why.replace(/^template: /, `template: ${called}: `);
      return wrong ? wrong(told) : told;
    },
  );
  return parsed;
}

function orRefused<T>(step: () => T, told: (why: string) => string): T {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof GoTemplateError)) throw error;
    throw new ConfigError(told(error.message));
  }
}
