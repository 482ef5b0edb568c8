import { createHash } from 'node:crypto';

const NAME_MAX = 63;
const HEAD = NAME_MAX - 32;

/**
 * The name of what an object makes: parent and suffix where they fit in a label, else shortened with an MD5 in it. Other
 * implementations of Knative compute the same names, so a cluster can change hands (serving specification §1.12).
 */
export function childName(parent: string, suffix: string): string {
  if (parent.length + suffix.length <= NAME_MAX) return parent + suffix;
  if (suffix.length >= HEAD) {
    const head = parent.slice(0, HEAD) + md5(parent + suffix);
    return (head + suffix.slice(0, NAME_MAX - head.length)).replace(/[^a-zA-Z0-9]+$/, '');
  }
  return parent.slice(0, HEAD - suffix.length) + md5(parent) + suffix;
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
