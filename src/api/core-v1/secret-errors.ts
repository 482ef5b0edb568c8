import type { Secret } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';

const ACCOUNT = 'kubernetes.io/service-account.name';

/** What a Secret of one of Kubernetes' own types has to hold, so that whoever is given it can use it. */
export function contentErrors({ type = '', data = {}, metadata }: Secret): FieldError[] {
  const missing = (...keys: readonly string[]): FieldError[] =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => required(`data[${key}]`));
  switch (type) {
    case 'kubernetes.io/service-account-token':
      return metadata.annotations?.[ACCOUNT] ? [] : [required(`metadata.annotations[${ACCOUNT}]`)];
    case 'kubernetes.io/dockercfg':
      return [...missing('.dockercfg'), ...jsonErrors('.dockercfg', data)];
    case 'kubernetes.io/dockerconfigjson':
      return [...missing('.dockerconfigjson'), ...jsonErrors('.dockerconfigjson', data)];
    case 'kubernetes.io/basic-auth': {
      const both = missing('username', 'password');
      return both.length === 2 ? both : [];
    }
    case 'kubernetes.io/ssh-auth':
      return data['ssh-privatekey'] ? [] : [required('data[ssh-privatekey]')];
    case 'kubernetes.io/tls':
      return missing('tls.crt', 'tls.key');
    default:
      return [];
  }
}

/** The complaint does not repeat the content. */
function jsonErrors(key: string, data: Readonly<Record<string, string>>): FieldError[] {
  const text = data[key];
  if (text === undefined || isJsonObject(Buffer.from(text, 'base64').toString())) return [];
  return [wrongValue(`data[${key}]`, '<secret contents redacted>', 'must be a JSON object')];
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && !Array.isArray(value);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
