import type { TokenRequest as Generated } from '#api/generated/authentication-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type TokenRequest = Generated;
export const TokenRequest = defineCoreKind<TokenRequest>({
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  scope: 'Namespaced',
  definition: 'io.k8s.api.authentication.v1.TokenRequest',
});
